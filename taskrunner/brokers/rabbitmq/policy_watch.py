"""Policies of the broker that harm our queues, recognised by their effects.

AMQP tells no client which policy is in force. Of the numbers in a policy, an operator policy and an argument
of the queue, the lowest counts, so no argument of ours can exempt a queue. A policy's `overflow` goes before
ours, and our dead letter exchange before a policy's. https://www.rabbitmq.com/docs/parameters#policies
"""

import asyncio
from collections.abc import Sequence

from taskrunner.brokers.base import DeadDelivery, Publication, PublishAnswer
from taskrunner.brokers.topology import BROKER_REASONS, Topology

# Seconds for which an effect is reported after it was last seen.
_TOLD_FOR = 3600.0
_SENTENCES = {
    "expired": "expires waiting tasks; look for message-ttl",
    "maxlen": "drops waiting tasks; look for max-length, max-length-bytes and overflow",
    "refused": "is full and refuses tasks; look for max-length and max-length-bytes",
    "delivery_limit": (
        "gave up tasks that came back too often; look for consumers that keep dying, and for a "
        "delivery-limit under {limit} (Rabbit.delivery_limit)"
    ),
    "returned": "was missing, and was declared again; look for expires, or who deletes it",
}


class PolicyWatch:
    """Remembers when each effect was last seen on each queue. The tasks themselves go on."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._seen: dict[tuple[str, str], float] = {}

    def note_dead(self, dead: DeadDelivery) -> None:
        """Call this for each dead letter."""
        if dead.queue is not None and dead.reason in BROKER_REASONS and not dead.expires:
            self._note(dead.queue, dead.reason)

    def note_answers(self, publications: Sequence[Publication], answers: Sequence[PublishAnswer]) -> None:
        """Call this for each publish."""
        for publication, answer in zip(publications, answers, strict=True):
            # A queue that is no longer declared may well be missing.
            declared = publication.queue in self._topology.queues
            if declared and answer in {PublishAnswer.REFUSED, PublishAnswer.RETURNED}:
                self._note(publication.queue, answer.value)

    @property
    def warnings(self) -> Sequence[str]:
        """One sentence for each effect that was seen lately."""
        since = asyncio.get_running_loop().time() - _TOLD_FOR
        return [
            f"the RabbitMQ queue {self._topology.amqp_name(queue)} "
            f"{_SENTENCES[effect].format(limit=self._topology.delivery_limit)} in rabbitmqctl list_policies "
            "and list_operator_policies, and exempt our queues"
            for (queue, effect), seen in self._seen.items()
            if seen > since
        ]

    def _note(self, queue: str, effect: str) -> None:
        self._seen[queue, effect] = asyncio.get_running_loop().time()
