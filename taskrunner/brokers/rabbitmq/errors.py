"""The edge: what pika raises and reports, as errors of ours."""

import re

from pika import exceptions

from taskrunner.brokers import topology
from taskrunner.domain.errors import BrokerUnavailable, TaskrunnerError, TopologyConflict

# AMQP reply codes that no quick retry mends: access refused, and not allowed (no such vhost).
_REFUSALS = frozenset({403, 530})
# pika keeps only the repr of a close that came during the handshake.
_QUOTED_CLOSE = re.compile(r"""ConnectionClosedByBroker: \((?P<code>\d+)\) (['"])(?P<text>.*)\2""", re.DOTALL)


class AccessRefused(BrokerUnavailable):
    """The broker is there and does not let us in: an operator must act, so tries are slow."""


def translate(exc: BaseException) -> TaskrunnerError:
    """The error of ours that says the same; never one of pika's."""
    cause = _root(exc)
    if isinstance(cause, TaskrunnerError):
        return cause
    text = _text(cause)
    if isinstance(cause, exceptions.ChannelClosedByBroker) and cause.reply_code == 406:
        return topology.conflict(text) or BrokerUnavailable(text)
    refused = isinstance(
        cause, exceptions.ProbableAuthenticationError | exceptions.ProbableAccessDeniedError
    ) or (isinstance(cause, exceptions.ConnectionClosedByBroker) and cause.reply_code in _REFUSALS)
    if refused:
        return AccessRefused(f"{text}; check the user, password and virtual host in Rabbit.addr")
    return BrokerUnavailable(text)


def needs_operator(error: TaskrunnerError) -> bool:
    """Whether trying again at once is pointless."""
    return isinstance(error, TopologyConflict | AccessRefused)


def _root(exc: BaseException) -> BaseException:
    """pika wraps the cause of a failed connect up to three times, each time in another attribute."""
    while True:
        inner = getattr(exc, "exceptions", None) or [getattr(exc, "exception", None)]
        if inner[-1] is None and exc.args and isinstance(exc, exceptions.AMQPConnectionError):
            inner = [exc.args[0]]
        if not isinstance(inner[-1], BaseException):
            return exc
        exc = inner[-1]


def _text(exc: BaseException) -> str:
    if isinstance(exc, exceptions.ConnectionClosed | exceptions.ChannelClosed):
        return f"{exc.reply_code} {exc.reply_text}"
    if isinstance(exc, OSError) and exc.strerror:
        return exc.strerror
    text = str(exc.args[0]) if exc.args else type(exc).__name__
    quoted = _QUOTED_CLOSE.search(text)
    return f"{quoted['code']} {quoted['text']}" if quoted else text
