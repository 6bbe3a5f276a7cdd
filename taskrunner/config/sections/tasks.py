"""What a task gets when it says nothing itself, what it may ask for, and how long it is kept."""

from typing import Annotated, Any

from pydantic import Field

from taskrunner.config.sections.section import DAY, KIB, MIB, Section
from taskrunner.config.signing_keys import CallbackSecrets
from taskrunner.config.values import (
    Bytes,
    Delays,
    LowerCase,
    RetentionSeconds,
    Seconds,
    SecondsOrNone,
    Secret,
)
from taskrunner.domain.duration_field import Duration
from taskrunner.domain.retries.retry_policy import Strategy
from taskrunner.domain.tasks.settlement import RetentionSettings
from taskrunner.domain.tasks.task_limits import FIVE_YEARS, TaskLimits
from taskrunner.domain.tasks.task_settings import TaskDefaults

_DEFAULTS, _LIMITS, _RETENTION = TaskDefaults(), TaskLimits(), RetentionSettings()
_RETRY, _CALLBACK = _DEFAULTS.retry, _DEFAULTS.callback


class RetrySection(Section):
    """The retry policy of tasks that set none."""

    max_attempts: int = Field(
        _DEFAULTS.max_attempts, ge=1, le=10_000, description="attempts in all, the first included"
    )
    strategy: Annotated[Strategy, LowerCase] = Field(
        _RETRY.strategy, description="constant, linear or exponential growth of the delays"
    )
    base: SecondsOrNone = Field(_RETRY.base, description="the delay after the first failed attempt")
    cap: Duration = Field(
        _RETRY.cap, ge=0, le=30 * DAY, allow_inf_nan=False, description="the strategy's longest delay"
    )
    jitter: float = Field(
        _RETRY.jitter,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="the random share of a delay, so that retries do not come in step",
    )
    unsafe: bool = Field(
        _DEFAULTS.retry_unsafe, description="retry a POST or PATCH although the target may have acted on it"
    )
    delays: Delays = Field(
        _RETRY.delays, description="exact delays in order (the last repeats) in place of a strategy"
    )


class LimitsSection(Section):
    """What a task may ask for at most."""

    max_url_bytes: int = Field(
        _LIMITS.max_url_bytes, ge=64, le=64 * KIB, description="many servers refuse longer URLs"
    )
    max_body_bytes: Bytes = Field(
        _LIMITS.max_body_bytes, description="a task's body; it travels in the envelope"
    )
    max_headers: int = Field(_LIMITS.max_headers, ge=0, le=1000, description="a task's headers")
    max_header_bytes: int = Field(
        _LIMITS.max_header_bytes, ge=16, le=MIB, description="one header, name and value"
    )
    max_headers_bytes: int = Field(
        _LIMITS.max_headers_bytes, ge=16, le=MIB, description="all headers of a task together"
    )
    max_labels: int = Field(
        _LIMITS.max_labels, ge=0, le=1000, description="labels are for finding tasks, not for data"
    )
    max_label_bytes: int = Field(
        _LIMITS.max_label_bytes, ge=1, le=64 * KIB, description="one label, name and value"
    )
    max_timeout: Seconds = Field(
        _LIMITS.max_timeout, description="a longer attempt would hold its worker for too long"
    )
    max_attempts: int = Field(
        _LIMITS.max_attempts, ge=1, le=10_000, description="attempts that a task may ask for"
    )
    max_delay: Duration = Field(
        _LIMITS.max_delay,
        ge=0,
        le=FIVE_YEARS * 20,
        allow_inf_nan=False,
        description="how far ahead a task may be due",
    )


class RetentionSection(Section):
    """How long finished tasks, audit entries and operations are kept."""

    succeeded: RetentionSeconds = Field(_RETENTION.succeeded, description="a succeeded task and its result")
    failed: RetentionSeconds = Field(
        _RETENTION.failed, description="a dead letter; long enough for somebody to look"
    )
    cancelled: RetentionSeconds = Field(_RETENTION.cancelled, description="a cancelled task")
    audit: RetentionSeconds = Field(
        _RETENTION.audit, description="who did what, see `taskrunner audit`; at most the newest 100,000"
    )
    operations: RetentionSeconds = Field(
        _RETENTION.operations, description="an operation that ended; at most the last 10,000"
    )


class CallbacksSection(Section):
    """How the end of a task is reported to the URL that the task names."""

    secrets: Annotated[CallbackSecrets, Secret()] = Field(
        {},
        repr=False,
        description="by name: keys (whsec_…, two while rotating) and hosts; also as secrets_file",
    )
    timeout: Seconds = Field(_CALLBACK.timeout, description="for one attempt")
    max_attempts: int = Field(
        _CALLBACK.max_attempts, ge=1, le=10_000, description="attempts in all, the first included"
    )
    delays: Delays = Field(_CALLBACK.retry.delays, description="between them; by default 28 hours in all")

    def redacted(self) -> dict[str, Any]:
        """The hosts of secrets are shown."""
        values = super().redacted()
        for name, secret in self.secrets.items():
            values["secrets"][name]["hosts"] = list(secret.hosts)
        return values
