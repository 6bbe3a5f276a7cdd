"""Attempt counts: how the attempts of this process ended, by queue and executor.

Labels are bounded: an executor's name counts only while it is declared, and a process that has met very many
queues and executors puts the rest together.
"""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from taskrunner.domain.events import TaskSettled
from taskrunner.domain.executors.executor import BUILT_IN
from taskrunner.domain.executors.executor_source import ExecutorSource
from taskrunner.monitor.histogram import OTHERS

# Pairs of a queue and an executor; there are at most 200 executors and 300 queues, but not for ever the same.
MAX_PAIRS = 1000


class AttemptLabels(NamedTuple):
    """`outcome` is the attempt's, `status` the task's after it."""

    queue: str
    executor: str
    outcome: str
    status: str


class AttemptCounts:
    """Counts from the start of this process; `executors` are those declared now."""

    def __init__(self, executors: ExecutorSource) -> None:
        self._executors = executors
        self._pairs: set[tuple[str, str]] = set()
        self._counts: Counter[AttemptLabels] = Counter()

    def add(self, event: TaskSettled) -> None:
        queue, name = pair = event.task.queue, self._label_of(event.task.executor)
        if pair not in self._pairs:
            if len(self._pairs) < MAX_PAIRS:
                self._pairs.add(pair)
            else:
                queue = name = OTHERS
        # Texts of enums, which the exposition does not write by their value.
        outcome, status = event.outcome.kind.value, event.verdict.status.value
        self._counts[AttemptLabels(queue, name, outcome, status)] += 1

    def _label_of(self, executor: str | None) -> str:
        """A task with a URL of its own is the built-in executor's, and so is one that names none of ours."""
        return executor if executor is not None and executor in (self._executors.known or ()) else BUILT_IN

    def totals(self) -> Mapping[AttemptLabels, int]:
        return dict(self._counts)
