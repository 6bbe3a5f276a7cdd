"""Our command line with one safeguard taken out, to prove that the checks find it missing.

python -m tests.system.chaos.sabotage no-fences consume
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from taskrunner.brokers.base import Publication, PublishAnswer
from taskrunner.brokers.rabbitmq import frames
from taskrunner.brokers.rabbitmq.confirmed_publisher import ConfirmedPublisher
from taskrunner.cli.main import main
from taskrunner.consumer.claimer import Claimer
from taskrunner.consumer.in_flight import ClaimedAttempt
from taskrunner.producer.outage_recovery import OutageRecovery
from taskrunner.stores.base import AttemptRef, ClaimAnswer, Claimed
from taskrunner.stores.redis.store import RedisStore


def ack_before_settle() -> None:
    """The message is gone from the broker when its task begins."""
    start = Claimer._start

    def acked_start(self: Claimer, attempt: ClaimedAttempt) -> None:
        self._broker.ack([attempt.delivery])
        start(self, attempt)

    _put(Claimer, "_start", acked_start)


def no_confirms() -> None:
    """What was written to a socket counts as published."""
    publish = ConfirmedPublisher.publish

    async def hasty(self: ConfirmedPublisher, publications: Sequence[Publication]) -> Sequence[PublishAnswer]:
        answers = await publish(self, publications)
        unsure = (PublishAnswer.UNKNOWN, PublishAnswer.REFUSED)
        return [PublishAnswer.CONFIRMED if answer in unsure else answer for answer in answers]

    _put(ConfirmedPublisher, "publish", hasty)


def no_mandatory() -> None:
    """A message that no queue takes is confirmed all the same."""
    encode = frames.PublishEncoder.make.__func__  # type: ignore[attr-defined]

    def optional(cls: type[frames.PublishEncoder], *args: Any) -> frames.PublishEncoder:
        encoder: frames.PublishEncoder = encode(cls, *args)
        # The bits of basic.publish stand in the last octet before the frame's end; mandatory is the lowest.
        return replace(encoder, method=encoder.method[:-2] + b"\x00" + frames.FRAME_END)

    _put(frames.PublishEncoder, "make", classmethod(optional))


def no_fences() -> None:
    """Whatever is delivered runs."""
    claim = RedisStore.claim

    async def careless(self: RedisStore, refs: Sequence[AttemptRef], **facts: Any) -> Sequence[Claimed]:
        claimed = await claim(self, refs, **facts)
        return [
            each
            if each.answer is ClaimAnswer.UNKNOWN
            else Claimed(answer=ClaimAnswer.CLAIMED, attempt_limit=5)
            for each in claimed
        ]

    _put(RedisStore, "claim", careless)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The fault that shows a missing safeguard, and the promise that is broken then."""

    by: str
    promise: str


SHOWN = {
    "ack-before-settle": Shown(by="F40b", promise="I1"),
    "no-confirms": Shown(by="F55", promise="I1"),
    "no-mandatory": Shown(by="F24b", promise="I1"),
    "no-fences": Shown(by="F71", promise="I3"),
}
SABOTAGES: dict[str, Callable[[], None]] = {
    "ack-before-settle": ack_before_settle,
    "no-confirms": no_confirms,
    "no-mandatory": no_mandatory,
    "no-fences": no_fences,
}


def no_outage_recovery() -> None:
    """It finds what is lost whenever the machine stalls for longer than we wait for Redis."""
    _put(OutageRecovery, "begin", lambda self, now: None)


def _put(owner: type, name: str, what: object) -> None:
    setattr(owner, name, what)


if __name__ == "__main__":
    no_outage_recovery()  # or the loss that a missing safeguard causes may be repaired by another one
    SABOTAGES[sys.argv.pop(1)]()
    main()
