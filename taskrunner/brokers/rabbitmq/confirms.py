"""Which publishes the broker has answered. Pure book-keeping for one channel in confirm mode."""

from collections import Counter
from collections.abc import Callable, Sequence

from taskrunner.brokers.base import Publication, PublishAnswer


class Group:
    """Publications written in one go, with consecutive tags; `answers` are None until they come."""

    __slots__ = ("answers", "first", "on_done", "open", "publications", "size_bytes")

    def __init__(self, publications: Sequence[Publication], on_done: Callable[[], None]) -> None:
        self.publications = publications
        self.answers: list[PublishAnswer | None] = [None] * len(publications)
        self.open = len(publications)
        self.size_bytes = sum(len(publication.body) for publication in publications)
        self.on_done = on_done
        self.first = 0


class Confirms:
    """Tags are numbered from 1 per channel; a confirm names one, or all up to one.

    A returned message is confirmed right after its return, which names it only by its message id.
    """

    def __init__(self) -> None:
        self._pending: dict[int, Group] = {}
        self._low = 1  # the lowest tag that may be pending
        self._next = 1
        self._returned: Counter[str] = Counter()
        self.pending_bytes = 0

    def __len__(self) -> int:
        return len(self._pending)

    def add(self, group: Group) -> None:
        """The group's messages are the next that the channel sends."""
        group.first = self._next
        self._next += len(group.publications)
        self.pending_bytes += group.size_bytes
        self._pending.update(dict.fromkeys(range(group.first, self._next), group))

    def mark_returned(self, message_id: str) -> None:
        self._returned[message_id] += 1

    def settle(self, tag: int, multiple: bool, answer: PublishAnswer) -> None:
        """Note the broker's answer. A tag that nobody waits for is passed over."""
        if multiple:
            # The broker never names a tag that we have not sent, but a loop must not depend on it.
            for each in range(self._low, min(tag + 1, self._next)):
                self._settle(each, answer)
            self._low = min(tag + 1, self._next)
        else:
            self._settle(tag, answer)

    def abandon(self) -> None:
        """The channel is gone: nobody will ever tell."""
        for tag in list(self._pending):
            self._settle(tag, PublishAnswer.UNKNOWN)

    def _settle(self, tag: int, answer: PublishAnswer) -> None:
        group = self._pending.pop(tag, None)
        if group is None:
            return
        index = tag - group.first
        if self._returned and answer is PublishAnswer.CONFIRMED:
            answer = self._unless_returned(group.publications[index].task_id)
        group.answers[index] = answer
        group.open -= 1
        if not group.open:
            self.pending_bytes -= group.size_bytes
            group.on_done()

    def _unless_returned(self, message_id: str) -> PublishAnswer:
        if not self._returned[message_id]:
            del self._returned[message_id]
            return PublishAnswer.CONFIRMED
        self._returned[message_id] -= 1
        if not self._returned[message_id]:
            del self._returned[message_id]
        return PublishAnswer.RETURNED
