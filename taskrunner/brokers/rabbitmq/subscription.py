"""A subscription: one queue consumed on one channel, and the deliveries of that channel.

One channel per queue, because RabbitMQ takes back only the deliveries of a channel that it closes
(acknowledgement timeout, deleted queue), and because quorum queues know prefetch per consumer only.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from taskrunner.brokers.rabbitmq import frames
from taskrunner.brokers.rabbitmq.channel import Channel
from taskrunner.brokers.rabbitmq.received_message import ReceivedMessage
from taskrunner.brokers.rabbitmq.unacked_tags import UnackedTags


@dataclass(frozen=True, slots=True, eq=False)
class SubscriptionRequest:
    """What to subscribe to: a RabbitMQ queue, its prefetch, and who gets the messages, with their epoch."""

    amqp_name: str
    prefetch: int
    on_message: Callable[[int, ReceivedMessage], None]


class Subscription:
    """`epoch` is unique per subscription, so that a delivery is acknowledged on its own channel."""

    def __init__(self, request: SubscriptionRequest, epoch: int, channel: Channel) -> None:
        self.request = request
        self.epoch = epoch
        self.last_delivery = asyncio.get_running_loop().time()
        self._channel = channel
        self._consumer_tag = f"taskrunner.{epoch}"
        self._unacked = UnackedTags()
        self._cancelled = False

    async def start(self) -> None:
        """Deliveries can arrive before this returns. Raises `BrokerUnavailable`, also for a missing queue."""
        channel = self._channel
        raw = channel.raw
        try:
            await channel.call(raw.basic_qos, prefetch_count=self.request.prefetch)
            channel.connection.add_receiver(channel.number, self)
            raw.add_on_cancel_callback(self._on_broker_cancel)
            await channel.call(
                raw.basic_consume,
                queue=self.request.amqp_name,
                on_message_callback=_unused,
                consumer_tag=self._consumer_tag,
            )
        except BaseException:
            channel.close()
            raise

    @property
    def ended(self) -> "asyncio.Future[object]":
        """Done once the channel is closed; the broker then has its deliveries back."""
        return self._channel.ended  # type: ignore[return-value]  # a future of any error will do

    @property
    def has_credit(self) -> bool:
        """Whether the prefetch allows another delivery."""
        return len(self._unacked) < self.request.prefetch

    def cancel(self) -> None:
        """Stop deliveries. The channel closes once all deliveries are acknowledged, released or rejected."""
        self._cancelled = True
        if self._channel.raw.is_open and self._channel.connection.is_open:
            self._channel.raw.basic_cancel(self._consumer_tag)
        self._close_if_unused()

    def ack(self, tags: Sequence[int]) -> None:
        up_to, singles = self._unacked.plan_acks(tags)
        number = self._channel.number
        acks = [frames.encode_ack(number, tag) for tag in singles]
        if up_to:
            acks.insert(0, frames.encode_ack(number, up_to, multiple=True))
        self._write(b"".join(acks))

    def nack(self, tags: Sequence[int], *, requeue: bool) -> None:
        removed = self._unacked.remove(tags)
        self._write(frames.encode_nacks(self._channel.number, removed, requeue=requeue))

    def on_message(self, tag: int, redelivered: bool, header: bytes, body: bytes) -> None:
        if self._cancelled:
            self._write(frames.encode_nacks(self._channel.number, (tag,), requeue=True))
            return
        self._unacked.add(tag)
        self.last_delivery = asyncio.get_running_loop().time()
        message = ReceivedMessage(tag=tag, redelivered=redelivered, header=header, body=body)
        self.request.on_message(self.epoch, message)

    def on_confirm(self, tag: int, multiple: bool, accepted: bool) -> None:
        """Never called: nothing is published here."""

    def _write(self, data: bytes) -> None:
        if data and self._channel.raw.is_open:
            self._channel.connection.write(data)
        self._close_if_unused()

    def _close_if_unused(self) -> None:
        if self._cancelled and not self._unacked:
            self._channel.close()

    def _on_broker_cancel(self, _frame: object) -> None:
        """The queue was deleted, or a delivery was held too long (RabbitMQ 4.3). A new channel is needed."""
        self._channel.close()


def _unused(*_arguments: object) -> None:
    """pika requires a callback for deliveries; ours arrive by `on_message`."""
