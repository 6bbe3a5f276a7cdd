"""What a task gets that says nothing itself, and what it may ask for."""

from typing import Annotated

from pydantic import Field

from taskrunner.config.sections.section import DAY, KIB, MIB, Section
from taskrunner.config.values import Bytes, CallbackSecrets, Delays, LowerCase, Seconds, SecondsOrNone, Secret
from taskrunner.domain.callback import CallbackDefaults
from taskrunner.domain.retry_policy import Strategy
from taskrunner.domain.task_limits import FIVE_YEARS

_CALLBACK = CallbackDefaults()


class Retry(Section):
    """What a task gets that says nothing about retries itself."""

    max_attempts: int = Field(5, ge=1, le=10_000, description="attempts in all, the first included")
    strategy: Annotated[Strategy, LowerCase] = Field(
        Strategy.EXPONENTIAL, description="constant, linear or exponential growth of the delays"
    )
    base: SecondsOrNone = Field(1.0, description="the delay after the first failed attempt")
    cap: float = Field(
        300.0, ge=0, le=30 * DAY, allow_inf_nan=False, description="the strategy's longest delay"
    )
    jitter: float = Field(
        0.2,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="random share of a delay, so that none march in step",
    )
    unsafe: bool = Field(
        False, description="send a POST or PATCH again although the target may have acted on it"
    )
    delays: Delays = Field((), description="exact delays in order (the last repeats) in place of a strategy")


class Limits(Section):
    """What a task may ask for at most."""

    max_url_bytes: int = Field(8 * KIB, ge=64, le=64 * KIB, description="many servers refuse longer URLs")
    max_body_bytes: Bytes = Field(256 * KIB, description="a task's body; it travels in the envelope")
    max_headers: int = Field(50, ge=0, le=1000, description="a task's headers")
    max_header_bytes: int = Field(8 * KIB, ge=16, le=MIB, description="one header, name and value")
    max_headers_bytes: int = Field(16 * KIB, ge=16, le=MIB, description="all headers of a task together")
    max_labels: int = Field(32, ge=0, le=1000, description="labels are for finding tasks, not for data")
    max_label_bytes: int = Field(256, ge=1, le=64 * KIB, description="one label, name and value")
    max_timeout: Seconds = Field(900.0, description="a longer attempt would hold its worker for too long")
    max_attempts: int = Field(100, ge=1, le=10_000, description="attempts that a task may ask for")
    max_delay: float = Field(
        FIVE_YEARS,
        ge=0,
        le=FIVE_YEARS * 20,
        allow_inf_nan=False,
        description="how far ahead a task may be due",
    )


class Callbacks(Section):
    """How a task's end is told to the URL that the task names."""

    secrets: Annotated[CallbackSecrets, Secret()] = Field(
        {}, repr=False, description="by name, a whsec_… or two while rotating; also as secrets_file"
    )
    timeout: Seconds = Field(_CALLBACK.timeout, description="for one attempt")
    max_attempts: int = Field(
        _CALLBACK.max_attempts, ge=1, le=10_000, description="attempts in all, the first included"
    )
    delays: Delays = Field(_CALLBACK.retry.delays, description="between them; by default 28 hours in all")
