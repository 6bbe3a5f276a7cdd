"""Each reply of RabbitMQ is told with its code and words, and with the next step if an operator is needed."""

import pytest
from pika import exceptions

from taskrunner.brokers.rabbitmq.errors import needs_operator, translate
from taskrunner.domain.errors import BrokerUnavailable, TopologyConflict

# As RabbitMQ 3.10 to 4.x write them: https://www.rabbitmq.com/docs/channels#error-reply-codes
PASSING = {
    311: "CONTENT_TOO_LARGE - body of 1 bytes",
    320: "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'",
    402: "INVALID_PATH - no such path",
    404: "NOT_FOUND - no queue 'taskrunner.low' in vhost '/'",
    406: "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out. Timeout value used: 1800000",
    501: "FRAME_ERROR - type 8, all octets = <<>>",
    502: "SYNTAX_ERROR - no user id",
    503: "COMMAND_INVALID - unknown exchange type 'x-delayed-message'",
    504: "CHANNEL_ERROR - expected 'channel.open'",
    505: "UNEXPECTED_FRAME - expected content header",
    506: "RESOURCE_ERROR - out of channels",
    541: "INTERNAL_ERROR - Cannot declare queue 'taskrunner.low' in vhost '/': timeout",
}
OPERATORS = {
    403: ("ACCESS_REFUSED - configure access to queue 'taskrunner.low' refused", "list_permissions"),
    405: (
        "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'taskrunner.low'",
        "Rabbit.exchange",
    ),
    540: ("NOT_IMPLEMENTED - feature is deprecated", "see its log"),
}
LIMITS = [
    (530, "NOT_ALLOWED - access to vhost '/' refused for user 'guest': connection limit (1) is reached"),
    (
        530,
        "NOT_ALLOWED - number of channels opened for user 'x' has reached the maximum allowed limit of (1)",
    ),
    (406, "PRECONDITION_FAILED - cannot declare queue 'q': queue limit in vhost '/' (2) is reached"),
]
BY_BROKER = (exceptions.ConnectionClosedByBroker, exceptions.ChannelClosedByBroker)


@pytest.mark.parametrize("closed", BY_BROKER)
@pytest.mark.parametrize("code", PASSING)
def test_a_passing_fault_keeps_code_and_words(closed: type[Exception], code: int) -> None:
    """We dial again soon."""
    error = translate(closed(code, PASSING[code]))
    assert (type(error), str(error)) == (BrokerUnavailable, f"{code} {PASSING[code]}")
    assert not needs_operator(error)


@pytest.mark.parametrize("code", OPERATORS)
def test_what_only_an_operator_can_change_has_a_next_step(code: int) -> None:
    text, step = OPERATORS[code]
    error = translate(exceptions.ChannelClosedByBroker(code, text))
    assert str(error).startswith(f"{code} {text}; ")
    assert step in str(error)
    assert needs_operator(error)


@pytest.mark.parametrize("closed", BY_BROKER)
@pytest.mark.parametrize(("code", "text"), LIMITS)
def test_a_limit_is_called_one(closed: type[Exception], code: int, text: str) -> None:
    """And not taken for a wrong password."""
    error = translate(closed(code, text))
    assert str(error) == f"{code} {text}; raise the limit: rabbitmqctl list_vhost_limits, list_user_limits"
    assert needs_operator(error)


@pytest.mark.parametrize(
    ("code", "text"),
    [(530, "NOT_ALLOWED - vhost jobs not found"), (403, "ACCESS_REFUSED - Login was refused using PLAIN")],
)
@pytest.mark.parametrize("quote", ["'", '"'])
def test_a_refusal_during_the_handshake_names_the_address(code: int, text: str, quote: str) -> None:
    """pika keeps only the text of the close."""
    inner = f"ConnectionClosedByBroker: ({code}) {quote}{text}{quote}"
    for exc in (
        exceptions.ConnectionClosedByBroker(code, text),
        exceptions.AMQPConnectionError(exceptions.ProbableAccessDeniedError(inner)),
    ):
        error = translate(exc)
        assert str(error) == f"{code} {text}; check the user, password and virtual host in Rabbit.addr"
        assert needs_operator(error)


def test_a_conflict_stays_one() -> None:
    """406 is also the answer to a declaration with other arguments, which is no passing fault."""
    text = (
        "PRECONDITION_FAILED - inequivalent arg 'x-overflow' for queue 'taskrunner.dead' in vhost '/': "
        "received 'reject-publish' but current is none"
    )
    error = translate(exceptions.ChannelClosedByBroker(406, text))
    assert isinstance(error, TopologyConflict)
    assert needs_operator(error)
