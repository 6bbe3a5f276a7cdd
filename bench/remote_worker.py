"""A remote worker whose handler does nothing: `python bench/remote_worker.py ADDRESS SLOTS`."""

import sys

import noop_handlers  # noqa: F401 - registers the handler

from taskrunner.sdk.remote import RemoteWorker

if __name__ == "__main__":
    RemoteWorker(sys.argv[1], concurrency=int(sys.argv[2])).run()
