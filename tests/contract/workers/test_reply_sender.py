"""ReplySender sends replies in the order in which they came, also outcomes that it gathers."""

import socket

from taskrunner.consumer.processes.reply_sender import ReplySender
from taskrunner.consumer.processes.wire import FrameReader, Reply, encode_frame
from taskrunner.consumer.worker_threads import AssignedAttempt
from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind
from tests.contract.workers.bench import DEADLINE
from tests.tools.attempts import make_claimed


def test_answers_and_frames_keep_their_order() -> None:
    """The outcome of a worker at the last moment is not overtaken by the reply that it was written off."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sender = ReplySender(theirs, is_busy=lambda: False)
        for ticket in (1, 2):
            attempt = AssignedAttempt(make_claimed("a").task, 1, ticket=ticket)
            sender.send((attempt, Outcome(kind=OutcomeKind.OK)))
            sender.send(encode_frame(Reply.WRITTEN_OFF, ticket, 0.0, 0.0, "worker-1"))
        sender.send(encode_frame(Reply.CHECKED))
        sender.start()
        ours.settimeout(DEADLINE)
        reader, received = FrameReader(), []
        while Reply.CHECKED not in received:
            received += [frame[0] for frame in reader.feed(ours.recv(4096))]
    kinds = [Reply.FINISHED, Reply.WRITTEN_OFF] * 2
    assert received == [*kinds, Reply.CHECKED]
