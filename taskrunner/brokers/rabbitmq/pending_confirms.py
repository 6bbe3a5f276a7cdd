"""The publishes of one channel in confirm mode that the broker has not answered yet. Pure bookkeeping."""

from collections import Counter
from collections.abc import Callable, Sequence

from taskrunner.brokers.base import Publication, PublishAnswer


class PublishBatch:
    """Publications written in one go, with consecutive tags. An answer is None until it arrives."""

    __slots__ = ("answers", "first_tag", "on_complete", "publications", "size_bytes", "unanswered")

    def __init__(self, publications: Sequence[Publication], on_complete: Callable[[], None]) -> None:
        self.publications = publications
        self.answers: list[PublishAnswer | None] = [None] * len(publications)
        self.unanswered = len(publications)
        self.size_bytes = sum(len(publication.body) for publication in publications)
        self.on_complete = on_complete
        self.first_tag = 0


class PendingConfirms:
    """Tags are numbered from 1 per channel. A confirm names one tag, or all up to one.

    RabbitMQ returns a message right before it confirms it. The return names the message only by its message
    id.
    """

    def __init__(self) -> None:
        self._batches: dict[int, PublishBatch] = {}
        self._lowest_tag = 1  # no tag below is pending
        self._next_tag = 1
        self._returned: Counter[str] = Counter()
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._batches)

    def add(self, batch: PublishBatch) -> None:
        """The batch's messages are the next that the channel sends."""
        batch.first_tag = self._next_tag
        self._next_tag += len(batch.publications)
        self.size_bytes += batch.size_bytes
        self._batches.update(dict.fromkeys(range(batch.first_tag, self._next_tag), batch))

    def mark_returned(self, message_id: str) -> None:
        self._returned[message_id] += 1

    def resolve(self, tag: int, multiple: bool, answer: PublishAnswer) -> None:
        """Record the broker's answer. A tag that is not pending is ignored."""
        if multiple:
            # The broker never names a tag that we have not sent, but a loop must not depend on it.
            for each in range(self._lowest_tag, min(tag + 1, self._next_tag)):
                self._resolve(each, answer)
            self._lowest_tag = min(tag + 1, self._next_tag)
        else:
            self._resolve(tag, answer)

    def resolve_all_unknown(self) -> None:
        """The channel is closed: no answer will arrive any more."""
        for tag in list(self._batches):
            self._resolve(tag, PublishAnswer.UNKNOWN)

    def _resolve(self, tag: int, answer: PublishAnswer) -> None:
        batch = self._batches.pop(tag, None)
        if batch is None:
            return
        index = tag - batch.first_tag
        if self._returned and answer is PublishAnswer.CONFIRMED:
            answer = self._returned_or_confirmed(batch.publications[index].task_id)
        batch.answers[index] = answer
        batch.unanswered -= 1
        if not batch.unanswered:
            self.size_bytes -= batch.size_bytes
            batch.on_complete()

    def _returned_or_confirmed(self, message_id: str) -> PublishAnswer:
        if not self._returned[message_id]:
            del self._returned[message_id]
            return PublishAnswer.CONFIRMED
        self._returned[message_id] -= 1
        if not self._returned[message_id]:
            del self._returned[message_id]
        return PublishAnswer.RETURNED
