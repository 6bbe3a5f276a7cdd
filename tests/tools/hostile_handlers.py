"""A module of Python handlers, polite and hostile ones, for tests of real worker processes.

The data of a task is passed to its handler; files in `data` tell the test what happened.
"""

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from taskrunner.sdk import Fail, Retry, Snooze, Task, dependency, handler

SECRET = "hunter2"


@dependency
@contextmanager
def folder() -> Iterator[Path]:
    path = Path(os.environ["HOSTILE_FOLDER"])
    (path / f"opened-{os.getpid()}").touch()
    yield path
    (path / "closed").touch()


@dependency
@asynccontextmanager
async def loop_of_process() -> AsyncIterator[int]:
    yield id(asyncio.get_running_loop())


@handler("echo")
def echo(task: Task[Any]) -> Any:
    return task.data


@handler("nap")
async def nap(task: Task[Any]) -> bool:
    await asyncio.sleep(task.data)
    return loop_of_process.get() == id(asyncio.get_running_loop())


@handler("tell")
def tell(task: Task[Any]) -> None:
    task.log.warning("at work on %s", task.data)
    task.progress(0.4, "at work")
    while not (folder.get() / "go").exists():
        time.sleep(0.01)


@handler("leak")
def leak(task: Task[Any]) -> None:
    raise ValueError(f"cannot log in with password={SECRET} and {task.data['token']}")


@handler("log_badly")
def log_badly(task: Task[Any]) -> None:
    task.log.warning("%d", "a")
    try:
        raise ValueError(f"password={SECRET} and {task.data['token']}")
    except ValueError:
        task.log.exception("caught")


@handler("hang")
def hang(task: Task[Any]) -> None:
    ctypes.CDLL(None).sleep(3600)


@handler("spin")
def spin(task: Task[Any]) -> None:
    while True:
        pass


@handler("block")
async def block(task: Task[Any]) -> None:
    time.sleep(3600)  # noqa: ASYNC251 - that is the point


@handler("die")
def die(task: Task[Any]) -> None:
    os._exit(7)


@handler("crash")
def crash(task: Task[Any]) -> None:
    ctypes.string_at(0)


@handler("close_all")
def close_all(task: Task[Any]) -> None:
    os.closerange(3, 1024)


@handler("fork")
def fork(task: Task[Any]) -> str:
    """The fork goes on as if it were the worker."""
    pid = os.fork()
    if pid == 0:
        return "child"
    _, status = os.waitpid(pid, 0)
    return f"parent of {os.waitstatus_to_exitcode(status)}"


@handler("fork_exit")
def fork_exit(task: Task[Any]) -> str:
    pid = os.fork()
    if pid == 0:
        sys.exit(5)
    _, status = os.waitpid(pid, 0)
    return f"parent of {os.waitstatus_to_exitcode(status)}"


@handler("exit")
def leave(task: Task[Any]) -> None:
    sys.exit(3)


@handler("interrupt")
async def interrupt(task: Task[Any]) -> None:
    raise KeyboardInterrupt


@handler("exit_later")
async def exit_later(task: Task[Any]) -> str:
    """Another coroutine on the loop exits."""

    async def other() -> None:
        sys.exit(3)

    await asyncio.wait([asyncio.create_task(other())])
    return "still here"


@handler("big")
def big(task: Task[Any]) -> str:
    return "x" * (100 * 1024 * 1024)


@handler("no_json")
def no_json(task: Task[Any]) -> object:
    return object()


@handler("threads")
def threads(task: Task[Any]) -> int:
    for _ in range(20):
        threading.Thread(target=time.sleep, args=(3600,)).start()
    return 20


@handler("move")
def move(task: Task[Any]) -> str:
    os.chdir("/")
    os.umask(0o777)
    os.environ.clear()
    return os.getcwd()


@handler("handle_signals")
def handle_signals(task: Task[Any]) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


@handler("terminate")
def terminate(task: Task[Any]) -> int:
    """A program that a handler starts can be ended."""
    with subprocess.Popen(["sleep", "3600"]) as program:
        program.terminate()
        return program.wait(60)


@handler("flood")
def flood(task: Task[Any]) -> None:
    for _ in range(20_000):
        task.log.warning("x" * 1000)


@handler("close_output")
def close_output(task: Task[Any]) -> None:
    sys.stdout.close()
    sys.stderr.close()


@handler("refuse")
def refuse(task: Task[Any]) -> None:
    raise Fail("no")


@handler("refuse_with_exception")
def refuse_with_exception(task: Task[Any]) -> None:
    raise Fail(ValueError("no"))


class _Bare(Retry):
    def __init__(self) -> None:
        """Does not call that of its base."""


class _Unreadable(Retry):
    error = property(lambda self: sys.exit(4))  # the exit is the point

    def __init__(self) -> None:
        """Does not call that of its base."""


class _ExitsInText(Exception):
    def __str__(self) -> str:
        if self.args == ():
            sys.exit(4)
        return "not reached"


@handler("bare")
def bare(task: Task[Any]) -> None:
    raise _Bare


@handler("unreadable")
def unreadable(task: Task[Any]) -> None:
    raise _Unreadable


@handler("exit_in_text")
def exit_in_text(task: Task[Any]) -> None:
    raise _ExitsInText


@handler("snooze")
def snooze(task: Task[Any]) -> None:
    raise Snooze(60)


@handler("fork_and_stay")
def fork_and_stay(task: Task[Any]) -> None:
    pid = os.fork()
    if pid == 0:
        time.sleep(3600)
    part = folder.get() / "forked.part"
    part.write_text(str(pid))
    part.rename(folder.get() / "forked")
    os.waitpid(pid, 0)
