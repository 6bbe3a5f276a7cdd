"""The section on hosts: how many attempts at once and how fast, and when a host is left alone."""

from typing import Annotated

from pydantic import Field

from taskrunner.config.sections.section import Section
from taskrunner.config.values import HostLimits, Seconds
from taskrunner.domain.circuit_breaker import BreakerSettings
from taskrunner.domain.host_settings import HostSettings

_POLITE, _BREAKER = HostSettings(), BreakerSettings()


class Hosts(Section):
    """How hosts are dealt with, across all consumers."""

    limits: HostLimits = Field(
        {}, description='by pattern such as "*.example.com": concurrency=4 rate=10/s burst=20'
    )
    breaker_failures: int = Field(
        _BREAKER.failures,
        ge=0,
        le=100_000,
        description="network errors, 502, 503 and 504 in a row that stop a host; 0 never",
    )
    breaker_cooldown: Seconds = Field(
        _BREAKER.cooldown, description="it rests so long, then probes tell; twice as long each time they fail"
    )
    breaker_longest: Seconds = Field(_BREAKER.longest, description="the longest such rest")
    breaker_probes: int = Field(_BREAKER.probes, ge=1, le=1000, description="attempts let through as probes")
    back_pressure: bool = Field(
        _POLITE.back_pressure, description="a 429 or a Retry-After slows all tasks of its host"
    )
    longest_pause: Seconds = Field(
        _POLITE.longest_pause, description="a longer Retry-After counts for its own task alone"
    )
    longest_wait: Annotated[Seconds, Field(ge=1)] = Field(
        _POLITE.longest_wait, description="a task that waits for its host asks again after this at the latest"
    )
    slow: Seconds = Field(_POLITE.slow, description="a host is slow whose attempts take this long or longer")
    share: float = Field(
        _POLITE.share,
        ge=0.5,
        le=1,
        allow_inf_nan=False,
        description="of the workers for slow hosts; as much is the others' while these wait; 1: no bound",
    )
