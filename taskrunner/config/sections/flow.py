"""How tasks flow: who runs them, what makes them move, how long they stay."""

import os
import socket
from typing import Annotated, Literal

from pydantic import Field

from taskrunner.config.sections.section import DAY, Section
from taskrunner.config.values import (
    ConsumerName,
    LowerCase,
    Queues,
    RetentionSeconds,
    Seconds,
    SecondsOrNone,
    Weights,
)
from taskrunner.domain.task import Priority

# Processors on which two processes of workers leave room for the event loop, the broker and the store.
_ENOUGH_FOR_TWO = 4


class Workers(Section):
    """The worker threads of `consume`, and the supervisor that counts them."""

    min_workers: int = Field(5, ge=1, le=1000, description="kept when there is nothing to do")
    max_workers: int = Field(50, ge=1, le=1000, description="the most threads, however deep the queue is")
    cooldown: SecondsOrNone = Field(
        30.0, description="fewer must have been enough for this long before any is retired"
    )
    drain_within: Seconds = Field(1.0, description="as many are wanted as empty the queue in this time")
    processes: int = Field(
        0, ge=0, le=64, description="that share the threads; 0: 2 on four processors or more, else 1"
    )
    affinity: Annotated[Literal["auto", "off"], LowerCase] = Field(
        "auto", description="auto: one processor while tasks are short, which makes them cheaper; off: all"
    )
    interval: float = Field(
        0.25, gt=0, le=60, allow_inf_nan=False, description="between two decisions on their number"
    )
    lease: float = Field(
        30.0,
        ge=1,
        le=3600,
        allow_inf_nan=False,
        description="how long a dead consumer's tasks wait; a live one renews it",
    )
    shutdown_grace: SecondsOrNone = Field(30.0, description="running tasks may end in this time on SIGTERM")
    queues: Queues = Field(tuple(Priority), description="the queues to serve: high, medium, low")
    weights: Weights = Field(
        (16, 4, 1), description="turns of high, medium and low; a full queue slows the others, starves none"
    )
    name: ConsumerName = Field(
        default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}",
        description="who holds a lease; by default host name and process id",
    )

    def process_count(self) -> int:
        """What `processes` comes to on this machine; never more than there are threads."""
        processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return min(self.processes or (2 if processors >= _ENOUGH_FOR_TWO else 1), self.max_workers)


class Relay(Section):
    """The loop that does what is due: publishing, retrying, rescuing."""

    poll_interval: float = Field(
        0.5, gt=0, le=60, allow_inf_nan=False, description="between two looks; bounds how late a due task is"
    )
    batch_size: int = Field(500, ge=1, le=10_000, description="due tasks taken in one step")
    max_attempts: int = Field(
        3,
        ge=1,
        le=100,
        description="tries to publish a batch in one turn; then it waits for a later one",
    )
    hold: Seconds = Field(10.0, description="a taken task is hidden from other relays for this long")
    forgotten_after: Seconds = Field(300.0, description="a queued task may have been lost after this time")


class Schedules(Section):
    """The runs of cron schedules."""

    grace: float = Field(
        60.0, ge=1, le=DAY, allow_inf_nan=False, description="a slot later than this was missed: its policy"
    )
    catch_up: int = Field(100, ge=1, le=1000, description="missed slots made up for, by the policy all")


class Results(Section):
    """How long finished tasks are kept."""

    keep: RetentionSeconds = Field(7 * DAY, description="a succeeded task and its result")
    keep_failed: RetentionSeconds = Field(
        30 * DAY, description="dead letters; long enough for somebody to look"
    )
    keep_cancelled: RetentionSeconds = Field(7 * DAY, description="a cancelled task")
