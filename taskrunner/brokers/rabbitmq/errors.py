"""Translates pika's errors into ours."""

import re

from pika import exceptions

from taskrunner.brokers import topology
from taskrunner.domain.errors import BrokerUnavailable, TaskrunnerError, TopologyConflict

# AMQP reply codes that dialling again does not help: access refused, and not allowed (no such vhost).
_REFUSALS = frozenset({403, 530})
# pika keeps only the repr of a close that came during the handshake.
_QUOTED_CLOSE = re.compile(r"""ConnectionClosedByBroker: \((?P<code>\d+)\) (['"])(?P<text>.*)\2""", re.DOTALL)


class AccessRefused(BrokerUnavailable):
    """The broker refuses us: an operator must act, so we dial rarely."""


def translate(exc: BaseException) -> TaskrunnerError:
    """Our error for `exc`, which may be one of pika's or already ours."""
    cause = _root(exc)
    if isinstance(cause, TaskrunnerError):
        return cause
    text = _text(cause)
    if isinstance(cause, exceptions.ChannelClosedByBroker) and cause.reply_code == 406:
        return topology.parse_conflict(text) or BrokerUnavailable(text)
    if isinstance(cause, exceptions.ChannelClosedByBroker) and cause.reply_code == 403:
        return AccessRefused(f"{text}; see the rights of its user: rabbitmqctl list_permissions")
    refused = isinstance(
        cause, exceptions.ProbableAuthenticationError | exceptions.ProbableAccessDeniedError
    ) or (isinstance(cause, exceptions.ConnectionClosedByBroker) and cause.reply_code in _REFUSALS)
    if refused:
        return AccessRefused(f"{text}; check the user, password and virtual host in Rabbit.addr")
    return BrokerUnavailable(text)


def needs_operator(error: TaskrunnerError) -> bool:
    """Whether dialling again at once is pointless."""
    return isinstance(error, TopologyConflict | AccessRefused)


def _root(exc: BaseException) -> BaseException:
    """The innermost cause: pika wraps it up to three times, each time in another attribute."""
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
