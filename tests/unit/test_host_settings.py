"""What the end of an attempt says of its host."""

import pytest

from taskrunner.domain.hosts.host_settings import HostSignal, host_signal
from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind, Response
from taskrunner.domain.tasks.task import Task
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.domain.tasks.task_settings import TaskSettings
from tests.tools.clock import ManualClock

KINDS = {
    OutcomeKind.OK: HostSignal.ANSWERED,
    OutcomeKind.TIMEOUT: HostSignal.FAILED,
    OutcomeKind.CONNECT_ERROR: HostSignal.FAILED,
    OutcomeKind.DNS_ERROR: HostSignal.FAILED,
    OutcomeKind.TLS_ERROR: HostSignal.FAILED,
    OutcomeKind.PROTOCOL_ERROR: HostSignal.FAILED,
    OutcomeKind.TOO_LARGE: HostSignal.ANSWERED,
    OutcomeKind.TOO_MANY_REDIRECTS: HostSignal.ANSWERED,
    OutcomeKind.DECODE_ERROR: HostSignal.ANSWERED,
    OutcomeKind.HTTP_ERROR: HostSignal.ANSWERED,
    OutcomeKind.BLOCKED: HostSignal.NOTHING,
    OutcomeKind.CANCELLED: HostSignal.NOTHING,
    OutcomeKind.INTERRUPTED: HostSignal.NOTHING,
    OutcomeKind.SNOOZED: HostSignal.NOTHING,
    OutcomeKind.HANDLER_ERROR: HostSignal.NOTHING,
}


def task(**fields: object) -> Task:
    draft = TaskDraft.from_fields({"url": "http://a.test/", **fields}, TaskLimits())
    return draft.to_task(TaskSettings(), task_id="t", now=ManualClock().now())


def answered(status: int, retry_after: float | None = None, rule: int | None = None) -> Outcome:
    kind = OutcomeKind.OK if status < 300 else OutcomeKind.HTTP_ERROR
    return Outcome(kind=kind, response=Response(status=status), retry_after=retry_after, rule=rule)


@pytest.mark.parametrize("kind", list(OutcomeKind))
def test_each_kind_says_something(kind: OutcomeKind) -> None:
    """A failure of the network is the host's; what we refused or stopped says nothing about it."""
    assert host_signal(task(), Outcome(kind=kind)) is KINDS[kind]


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        (answered(204), HostSignal.ANSWERED),
        (answered(202, retry_after=5), HostSignal.ANSWERED),
        (answered(404), HostSignal.ANSWERED),
        (answered(501), HostSignal.ANSWERED),
        (answered(500), HostSignal.ANSWERED),
        (answered(502), HostSignal.FAILED),
        (answered(503), HostSignal.FAILED),
        (answered(429), HostSignal.THROTTLED),
        (answered(429, retry_after=0), HostSignal.THROTTLED),
        (answered(503, retry_after=5), HostSignal.THROTTLED),
    ],
)
def test_a_status_tells(outcome: Outcome, told: HostSignal) -> None:
    """A host that names a time is in order, and wants to be left alone until then."""
    assert host_signal(task(), outcome) is told


def test_a_rule_tells_of_a_throttle_and_of_nothing_else() -> None:
    """A task's own rule may say that a 200 is a throttle; one that says retry leaves the host as it is."""
    rules = [{"when": {"status": [200]}, "then": "throttle"}, {"when": {"status": [404]}, "then": "retry"}]
    assert host_signal(task(rules=rules), answered(200, rule=0)) is HostSignal.THROTTLED
    assert host_signal(task(rules=rules), answered(404, rule=1)) is HostSignal.ANSWERED


def test_an_attempt_that_does_not_count_says_nothing() -> None:
    outcome = Outcome(kind=OutcomeKind.CONNECT_ERROR, counted=False)
    assert host_signal(task(), outcome) is HostSignal.NOTHING


@pytest.mark.parametrize("kind", [OutcomeKind.CONNECT_ERROR, OutcomeKind.TIMEOUT])
def test_a_fault_of_the_egress_proxy_says_nothing(kind: OutcomeKind) -> None:
    """A dead proxy is no reason to leave all hosts alone."""
    assert host_signal(task(), Outcome(kind=kind, of_host=False)) is HostSignal.NOTHING
