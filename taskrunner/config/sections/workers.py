"""The workers of a consumer, and the queues that they share."""

import os
import socket
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from taskrunner.config.sections.section import Section
from taskrunner.config.values import ConsumerName, LowerCase, Modules, Queues, Seconds, SecondsOrNone
from taskrunner.consumer.settings import ConsumerSettings
from taskrunner.domain.duration_field import Duration
from taskrunner.domain.fleet.scaling import MAX_WORKERS, ScalingSettings
from taskrunner.domain.messages import shown
from taskrunner.domain.queues.queue import DEFAULT_WEIGHTS, MAX_WEIGHT, check_new_queue
from taskrunner.runtime.machine_limits import MachineLimits

_CONSUMER, _SCALING = ConsumerSettings(name=""), ScalingSettings()
# Processors on which two worker processes leave room for the event loop, the broker and the store.
_ENOUGH_FOR_TWO = 4


class WorkersSection(Section):
    """The worker threads of `consume`, and the autoscaler that sets their number."""

    min_workers: int = Field(
        _SCALING.min_workers,
        ge=1,
        le=MAX_WORKERS,
        description="the fewest threads, kept when there is nothing to do",
    )
    max_workers: int = Field(
        _SCALING.max_workers, ge=1, le=MAX_WORKERS, description="the most threads, however deep the queue is"
    )
    cooldown: SecondsOrNone = Field(
        _SCALING.cooldown, description="workers leave once fewer have been enough for this long"
    )
    drain_within: Seconds = Field(
        _SCALING.drain_within, description="start enough workers to empty the queue in this time"
    )
    processes: int = Field(
        0,
        ge=0,
        le=64,
        description="processes that share the workers; 0: 2 on four processors or more, else 1",
    )
    affinity: Annotated[Literal["auto", "off"], LowerCase] = Field(
        "auto", description="auto: one processor while tasks are short, which makes them cheaper; off: all"
    )
    interval: Duration = Field(
        0.25, gt=0, le=60, allow_inf_nan=False, description="between two decisions of the autoscaler"
    )
    lease: Duration = Field(
        _CONSUMER.lease,
        ge=1,
        le=3600,
        allow_inf_nan=False,
        description="how long the tasks of a dead consumer wait; a live one renews its leases",
    )
    shutdown_grace: SecondsOrNone = Field(30.0, description="how long running tasks may go on after SIGTERM")
    queues: Queues | None = Field(
        _CONSUMER.queues, description="the queues to serve, such as [high, reports]; by default all"
    )
    handlers: Modules = Field((), description="Python modules with handlers, such as myapp.tasks")
    name: ConsumerName = Field(
        default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}",
        description="the holder of its leases; by default host name and process id",
    )

    def process_count(self, processors: int | None = None) -> int:
        """What `processes` means on this machine, or on `processors`; never more than there are threads."""
        processors = MachineLimits.read().usable_processors if processors is None else processors
        return min(self.processes or (2 if processors >= _ENOUGH_FOR_TWO else 1), self.max_workers)


class QueueSection(BaseModel):
    """One queue."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    weight: int = Field(1, ge=1, le=MAX_WEIGHT)


def _read_queue(value: Any) -> Any:
    """`{weight: 6}` in the file, `weight=6` elsewhere; nothing for the least weight."""
    if value is None:
        return {}
    if isinstance(value, str):
        name, _, given = value.partition("=")
        value = {name.strip(): given.strip()}
    if not isinstance(value, Mapping):
        return value
    keys = {name.casefold(): given for name, given in value.items()}
    if keys.keys() - {"weight"}:
        raise ValueError(f"must be such as weight=4, got {shown(', '.join(value))}")
    return keys


def _default(queue: str) -> QueueSection:
    return QueueSection(weight=DEFAULT_WEIGHTS[queue])


_Queue = Annotated[QueueSection, BeforeValidator(_read_queue)]


class QueuesSection(Section):
    """The queues, each with its weight; add others under any name, such as reports: {weight: 2}."""

    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True)
    __pydantic_extra__: dict[Annotated[str, AfterValidator(check_new_queue)], _Queue] = Field(init=False)

    high: _Queue = Field(
        _default("high"), description="weight: turns of the queue while every queue has tasks waiting"
    )
    medium: _Queue = Field(_default("medium"), description="for tasks that name no queue")
    low: _Queue = Field(_default("low"), description="slowed by the others, but never starved")

    def weights(self) -> dict[str, int]:
        """The turns that each queue gets when all have something waiting."""
        return {name: queue.weight for name, queue in self}
