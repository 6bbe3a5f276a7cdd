"""Executors for tests."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from taskrunner.domain.executors.executor import Executor, ExecutorKind
from taskrunner.domain.executors.executor_source import ExecutorSource
from taskrunner.domain.tasks.task_settings import TaskSettings
from taskrunner.domain.value import replace

# The consumers of tests have handlers for these.
EXECUTOR = "resize_image"
EXECUTORS = frozenset({EXECUTOR, "other"})
MADE_AT = datetime(2026, 1, 1, tzinfo=UTC)


def executor(name: str = EXECUTOR, kind: ExecutorKind = ExecutorKind.PYTHON, **fields: Any) -> Executor:
    """An executor of this name."""
    return Executor(name=name, kind=kind, created_at=MADE_AT, updated_at=MADE_AT, **fields)


def with_executors(*executors: Executor, settings: TaskSettings | None = None) -> TaskSettings:
    """Settings by which tasks of these executors are accepted."""
    return replace(settings or TaskSettings(), executors=ExecutorSource(executors))


async def at_once(_: float) -> None:
    """Takes the place of `asyncio.sleep` where no other process has to learn of a change."""
    await asyncio.sleep(0)
