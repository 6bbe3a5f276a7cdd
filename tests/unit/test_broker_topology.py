"""The topology, and the error about a conflicting one that says what an operator can do."""

import pytest

from taskrunner.brokers.topology import Topology, parse_conflict


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (
            "PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue 'taskrunner.low' in vhost '/': "
            "received none but current is the value '5' of type 'signedint'",
            "queue 'taskrunner.low' in vhost '/' exists with x-max-length = 5, but taskrunner needs none; ",
        ),
        (
            "PRECONDITION_FAILED - inequivalent arg 'x-delivery-limit' for queue 'q' in vhost 'v': "
            "received the value '20' of type 'signedint' but current is the value '5' of type 'long'",
            "queue 'q' in vhost 'v' exists with x-delivery-limit = 5, but taskrunner needs 20; ",
        ),
        (
            "PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'q' in vhost '/': "
            "received 'quorum' but current is 'classic'",
            "queue 'q' in vhost '/' exists with x-queue-type = classic, but taskrunner needs quorum; ",
        ),
        (
            "PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'taskrunner' in vhost '/': "
            "received 'direct' but current is 'topic'",
            "exchange 'taskrunner' in vhost '/' exists with type = topic, but taskrunner needs direct; ",
        ),
        (
            "PRECONDITION_FAILED - inequivalent arg 'x-dead-letter-exchange' for queue 'q' in vhost '/': "
            "received the value 'a.dlx' of type 'longstr' but current is the value 'a-very-long-na...",
            "queue 'q' in vhost '/' exists with x-dead-letter-exchange = a-very-long-na, but ",
        ),
    ],
)
def test_conflict_names_argument_both_values_and_the_way_out(reply: str, expected: str) -> None:
    """Each form that RabbitMQ uses, also cut at 255 bytes, becomes one sentence for an operator."""
    error = parse_conflict(reply)
    assert error is not None
    assert expected in str(error)
    assert "set Rabbit.exchange to another name" in str(error)


def test_another_precondition_is_no_conflict() -> None:
    """406 has other reasons, such as the acknowledgement timeout."""
    assert parse_conflict("PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out") is None


def test_queues_dead_letter_at_least_once() -> None:
    """Every queue is a quorum queue whose dead letters cannot get lost on the way."""
    topology = Topology(exchange="x", delivery_limit=9)
    dead, *queues = topology.basic_declarations
    assert dead.name == "x.dead"
    assert [queue.name for queue in queues] == ["x.high", "x.medium", "x.low"]
    for queue in queues:
        assert queue.arguments["x-dead-letter-strategy"] == "at-least-once"
        assert queue.arguments["x-overflow"] == "reject-publish"
        assert queue.arguments["x-dead-letter-exchange"] == dead.exchange
        assert queue.arguments["x-delivery-limit"] == 9


def test_queue_of_an_amqp_name() -> None:
    """Only the AMQP names of our own queues have a queue, whatever a header says."""
    topology = Topology(exchange="x")
    assert [topology.queue_of(f"x.{name}") for name in ("low", "once-declared")] == ["low", "once-declared"]
    others = ("y.low", "x.dead", "x.dlx", "x.", "x.a.b", "x", None, 5, b"x.low")
    assert {topology.queue_of(other) for other in others} == {None}
