"""What the code of handlers declares becomes their executors, and what operators decide stays."""

from datetime import timedelta

import pytest

from taskrunner.consumer.handler_registration import refusal, registered, without_effect
from taskrunner.domain.executors.executor import Executor, ExecutorKind, ManagedBy
from taskrunner.domain.retries.retry_policy import RetryPolicy
from taskrunner.domain.value import replace
from taskrunner.handlers.python.manifest import HandlerManifest
from tests.tools.executors import MADE_AT, executor

HANDLER = HandlerManifest(
    name="resize_image",
    place="tasks.py:3",
    description="Resizes.",
    schema={"type": "object"},
    retry=RetryPolicy(base=2),
    max_attempts=3,
    timeout=5.0,
    queue="low",
)
LATER = MADE_AT + timedelta(days=1)


def test_a_new_executor_is_as_its_code_declares_it() -> None:
    made = registered(HANDLER, None, now=MADE_AT)
    assert made == Executor(
        name="resize_image",
        kind=ExecutorKind.PYTHON,
        description="Resizes.",
        schema='{"type":"object"}',
        retry=RetryPolicy(base=2),
        max_attempts=3,
        timeout=5.0,
        queue="low",
        managed_by=ManagedBy.CODE,
        created_at=MADE_AT,
        updated_at=MADE_AT,
    )


def test_a_start_without_changes_writes_nothing() -> None:
    made = registered(HANDLER, None, now=MADE_AT)
    assert registered(HANDLER, made, now=LATER) is made


def test_a_change_of_the_code_is_a_new_version() -> None:
    """Also one that takes something away."""
    made = registered(HANDLER, None, now=MADE_AT)
    changed = registered(replace(HANDLER, timeout=None), made, now=LATER)
    assert changed == replace(made, timeout=None, version=2, updated_at=LATER)


@pytest.mark.parametrize("handler", [HANDLER, replace(HANDLER, timeout=60.0, schema=None)])
def test_what_an_operator_decides_on_is_left_alone(handler: HandlerManifest) -> None:
    made = replace(registered(HANDLER, None, now=MADE_AT), managed_by=ManagedBy.OPERATOR, timeout=10.0)
    assert registered(handler, made, now=LATER) is made


def test_an_operator_is_told_what_of_the_code_has_no_effect() -> None:
    made = replace(registered(HANDLER, None, now=MADE_AT), managed_by=ManagedBy.OPERATOR)
    assert without_effect(HANDLER, made) is None
    changed = replace(made, timeout=1.0, queue="high")
    assert "timeout, queue has no effect" in str(without_effect(HANDLER, changed))


@pytest.mark.parametrize("kind", [ExecutorKind.HTTP, ExecutorKind.REMOTE])
def test_an_executor_of_another_kind_keeps_its_name(kind: ExecutorKind) -> None:
    """Its tasks are not for the handler."""
    assert f"it exists with the kind {kind}" in str(refusal(HANDLER, executor(kind=kind), number=1))
