"""taskrunner on a machine that lacks something: `python -m tests.tools.starved LACK FILE COMMAND…`.

LACK is `threads`, `memory` or `resolver`. While FILE exists, the system refuses as it does without them. The
name `starved.test` is this machine.
"""

import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from taskrunner.cli.main import main

NAME = "starved.test"
FAULTS: dict[str, BaseException] = {
    "threads": RuntimeError("can't start new thread"),
    "memory": MemoryError(),
    "resolver": socket.gaierror(socket.EAI_SYSTEM, "System error"),
}


def failing(call: Callable[..., Any], fault: BaseException, file: Path) -> Callable[..., Any]:
    def called(*args: Any, **kwargs: Any) -> Any:
        if file.exists():
            raise fault
        return call(*args, **kwargs)

    return called


def starve(lack: str, file: Path) -> None:
    ask = socket.getaddrinfo

    def resolve(host: Any, *args: Any, **kwargs: Any) -> Any:
        return ask("127.0.0.1" if host == NAME.encode() else host, *args, **kwargs)

    # The two calls of the system that a fetch makes before it has a socket; patched for this process alone.
    if lack == "threads":
        threading.Thread.start = failing(threading.Thread.start, FAULTS[lack], file)  # type: ignore[method-assign]
        socket.getaddrinfo = resolve
    else:
        socket.getaddrinfo = failing(resolve, FAULTS[lack], file)


if __name__ == "__main__":
    starve(sys.argv[1], Path(sys.argv[2]))
    main(sys.argv[3:])
