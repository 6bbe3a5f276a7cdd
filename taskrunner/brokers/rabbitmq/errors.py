"""Translates pika's errors into ours."""

import re

from pika import exceptions

from taskrunner.brokers import topology
from taskrunner.domain.errors import BrokerUnavailable, TaskrunnerError, TopologyConflict

# What an operator can do about the replies that dialling again does not help; a limit is told by its text.
# https://www.rabbitmq.com/docs/channels#error-reply-codes
_REMEDIES = {
    403: "see the rights of its user: rabbitmqctl list_permissions",
    405: "another connection has it for itself: end that one, or set Rabbit.exchange to another name",
    530: "check the user, password and virtual host in Rabbit.addr",
    540: "this RabbitMQ lacks or forbids what taskrunner needs: see its log, and deprecated features",
}
_CREDENTIALS = _REMEDIES[530]
_LIMIT = "raise the limit: rabbitmqctl list_vhost_limits, list_user_limits"
_LIMITED = re.compile(r"\blimit\b.*\breached\b|\breached\b.*\blimit\b", re.DOTALL)
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
    if isinstance(cause, exceptions.ProbableAuthenticationError | exceptions.ProbableAccessDeniedError):
        return AccessRefused(f"{text}; {_CREDENTIALS}")
    if not isinstance(cause, exceptions.ConnectionClosedByBroker | exceptions.ChannelClosedByBroker):
        return BrokerUnavailable(text)
    if cause.reply_code == 406 and (conflict := topology.parse_conflict(text)) is not None:
        return conflict
    remedy = _LIMIT if _LIMITED.search(text) else _REMEDIES.get(cause.reply_code)
    if cause.reply_code == 403 and isinstance(cause, exceptions.ConnectionClosedByBroker):
        remedy = _CREDENTIALS
    return BrokerUnavailable(text) if remedy is None else AccessRefused(f"{text}; {remedy}")


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
