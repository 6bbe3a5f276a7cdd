"""The HTTP handler in a worker process."""

import asyncio

from taskrunner.consumer.in_flight import ClaimedAttempt
from taskrunner.consumer.processes.worker_process import WorkerProcess
from taskrunner.domain.events import Events
from taskrunner.domain.tasks.outcome import OutcomeKind
from taskrunner.handlers.http.handler_factory import HttpHandlerFactory
from taskrunner.handlers.http.settings import FetchSettings
from tests.tools.attempts import make_claimed
from tests.tools.fetching import LOOPBACK
from tests.tools.hostile import Hostile, Peer
from tests.tools.waiting import eventually


async def test_a_cancel_closes_the_connection_of_a_running_attempt(hostile: Hostile) -> None:
    """The target sees the connection end long before the attempt would time out."""
    ended: list[bytes] = []

    def wait_for_the_end(peer: Peer) -> None:
        peer.read()
        ended.append(peer.sock.recv(1))

    finished: asyncio.Queue[ClaimedAttempt] = asyncio.Queue()
    process = WorkerProcess(HttpHandlerFactory(FetchSettings(limits=LOOPBACK)), Events())
    await process.start(finished.put_nowait)
    process.resize(1)
    attempt = make_claimed("a", url=hostile.url(wait_for_the_end), timeout=60.0)
    process.submit(attempt)
    await eventually(lambda: len(hostile.ledger.requests) == 1)
    process.cancel([attempt])
    await eventually(lambda: ended == [b""])
    async with asyncio.timeout(10):
        assert (await finished.get()).outcome.kind is OutcomeKind.CANCELLED
    await process.close()
