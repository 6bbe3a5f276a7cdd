"""A subscription: one queue consumed on one channel, with the deliveries of that channel.

One channel per queue: a channel that the broker closes (acknowledgement timeout, queue gone) takes no other
queue's deliveries with it, and prefetch is per consumer (quorum queues know no other).
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from taskrunner.brokers.rabbitmq import wire
from taskrunner.brokers.rabbitmq.channel import Channel
from taskrunner.brokers.rabbitmq.unacked import Unacked


@dataclass(frozen=True, slots=True)
class Message:
    """A delivery as it came, before anybody has looked into it. `header` is its content header's payload."""

    tag: int
    redelivered: bool
    header: bytes
    body: bytes


@dataclass(frozen=True, slots=True, eq=False)
class Want:
    """What somebody subscribed to: a queue, how much at once, and who gets it (with the epoch)."""

    queue: str
    prefetch: int
    on_message: Callable[[int, Message], None]


class Subscription:
    """`epoch` is unique per subscription, so that a delivery knows the channel that it came by."""

    def __init__(self, want: Want, epoch: int, channel: Channel) -> None:
        self.want = want
        self.epoch = epoch
        self.last_delivery = asyncio.get_running_loop().time()
        self._channel = channel
        self._tag = f"taskrunner.{epoch}"
        self._unacked = Unacked()
        self._cancelled = False

    async def begin(self) -> None:
        """Deliveries can come before this returns. Raises `BrokerUnavailable`, also for a missing queue."""
        channel = self._channel
        raw = channel.raw
        try:
            await channel.call(raw.basic_qos, prefetch_count=self.want.prefetch)
            channel.connection.listen(channel.number, self)
            raw.add_on_cancel_callback(self._on_broker_cancel)
            await channel.call(
                raw.basic_consume,
                queue=self.want.queue,
                on_message_callback=_never,
                consumer_tag=self._tag,
            )
        except BaseException:
            channel.close()
            raise

    @property
    def ended(self) -> "asyncio.Future[object]":
        """Done once the channel is gone; its deliveries are the broker's again."""
        return self._channel.ended  # type: ignore[return-value]  # a future of any error will do

    @property
    def unacked(self) -> int:
        return len(self._unacked)

    def cancel(self) -> None:
        """No more deliveries; those that came can be settled, then the channel closes."""
        self._cancelled = True
        if self._channel.raw.is_open and self._channel.connection.is_open:
            self._channel.raw.basic_cancel(self._tag)
        self._close_if_idle()

    def ack(self, tags: Sequence[int]) -> None:
        plan = self._unacked.ack(tags)
        number = self._channel.number
        frames = [wire.encode_ack(number, tag) for tag in plan.singles]
        if plan.up_to:
            frames.insert(0, wire.encode_ack(number, plan.up_to, multiple=True))
        self._write(b"".join(frames))

    def nack(self, tags: Sequence[int], *, requeue: bool) -> None:
        taken = self._unacked.take(tags)
        self._write(wire.encode_nacks(self._channel.number, taken, requeue=requeue))

    def on_content(self, tag: int, redelivered: bool, header: bytes, body: bytes) -> None:
        if self._cancelled:
            self._write(wire.encode_nacks(self._channel.number, (tag,), requeue=True))
            return
        self._unacked.note(tag)
        self.last_delivery = asyncio.get_running_loop().time()
        self.want.on_message(self.epoch, Message(tag, redelivered, header, body))

    def on_confirm(self, tag: int, multiple: bool, accepted: bool) -> None:
        """Nothing is ever published here."""

    def _write(self, frames: bytes) -> None:
        if frames and self._channel.raw.is_open:
            self._channel.connection.write(frames)
        self._close_if_idle()

    def _close_if_idle(self) -> None:
        if self._cancelled and not self._unacked:
            self._channel.close()

    def _on_broker_cancel(self, _frame: object) -> None:
        """The queue is gone, or (RabbitMQ 4.3) a delivery was held too long. Start on a fresh channel."""
        self._channel.close()


def _never(*_arguments: object) -> None:
    """pika wants a callback for deliveries; ours come by the fast path."""
