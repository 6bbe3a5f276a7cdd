"""The relay and the scheduler."""

from pydantic import Field

from taskrunner.config.sections.section import DAY, Section
from taskrunner.config.values import Seconds
from taskrunner.domain.duration_field import Duration
from taskrunner.producer.settings import RelaySettings, SchedulerSettings

_RELAY, _SCHEDULER = RelaySettings(), SchedulerSettings()


class RelaySection(Section):
    """The loop that does what is due: publish, retry, rescue."""

    poll_interval: Duration = Field(
        _RELAY.poll_interval,
        gt=0,
        le=60,
        allow_inf_nan=False,
        description="between two reads of the due index; a due task is late by at most this",
    )
    batch_size: int = Field(_RELAY.batch_size, ge=1, le=10_000, description="due tasks taken in one step")
    max_attempts: int = Field(
        _RELAY.max_attempts,
        ge=1,
        le=100,
        description="attempts to publish a batch in one turn; then it waits for a later turn",
    )
    hold: Seconds = Field(_RELAY.hold, description="how long a taken task is hidden from other relays")
    forgotten_after: Seconds = Field(
        _RELAY.forgotten_after, description="a task queued for this long may have been lost by the broker"
    )


class SchedulesSection(Section):
    """The runs of cron schedules."""

    grace: Duration = Field(
        _SCHEDULER.grace,
        ge=1,
        le=DAY,
        allow_inf_nan=False,
        description="a slot later than this is missed: the schedule's policy decides",
    )
    catch_up: int = Field(
        _SCHEDULER.catch_up, ge=1, le=1000, description="missed slots that the policy `all` makes up for"
    )
