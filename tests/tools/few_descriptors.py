"""A fetch in a process that has few file descriptors left: `python -m tests.tools.few_descriptors URL LEFT`.

Writes the outcome to standard output.
"""

import os
import resource
import sys

from taskrunner.domain.codec import encode
from taskrunner.handlers.base import AttemptContext
from taskrunner.handlers.http.handler import HttpHandler
from taskrunner.handlers.http.settings import FetchSettings
from taskrunner.handlers.http.worker_sockets import SocketWatch
from tests.tools.fetching import LOOPBACK, make_task


def main(url: str, left: int) -> None:
    handler = HttpHandler(FetchSettings(limits=LOOPBACK), SocketWatch())
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, most))
    opened = []
    try:
        while True:
            opened.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        for each in opened[len(opened) - left :]:
            os.close(each)
    outcome = handler.run(AttemptContext(task=make_task(url, method="POST"), number=1))
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    sys.stdout.buffer.write(encode(outcome))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
