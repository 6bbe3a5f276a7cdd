"""How many attempts a host gets at once and how fast, and when it is left alone."""

from typing import Annotated

from pydantic import Field

from taskrunner.config.sections.section import Section
from taskrunner.config.values import LimitsByPattern, Seconds
from taskrunner.domain.hosts.host_settings import HostSettings

_HOST = HostSettings()
_BREAKER = _HOST.breaker


class HostsSection(Section):
    """Limits and protection of target hosts, across all consumers."""

    limits: LimitsByPattern = Field(
        {}, description='by pattern such as "*.example.com": concurrency=4 rate=10/s burst=20'
    )
    breaker_failures: int = Field(
        _BREAKER.failures,
        ge=0,
        le=100_000,
        description="network errors, 502, 503 and 504 in a row that open the circuit breaker; 0: never",
    )
    breaker_cooldown: Seconds = Field(
        _BREAKER.cooldown, description="open for this long, then probes decide; doubled each time they fail"
    )
    breaker_longest: Seconds = Field(_BREAKER.longest, description="the longest time that a breaker is open")
    breaker_probes: int = Field(_BREAKER.probes, ge=1, le=1000, description="attempts let through as probes")
    back_pressure: bool = Field(
        _HOST.back_pressure, description="a 429 or a Retry-After slows all tasks of its host"
    )
    longest_pause: Seconds = Field(
        _HOST.longest_pause, description="a longer Retry-After applies only to its own task"
    )
    longest_wait: Annotated[Seconds, Field(ge=1)] = Field(
        _HOST.longest_wait, description="a task that waits for its host asks again after this at the latest"
    )
    slow: Seconds = Field(_HOST.slow, description="a host is slow whose attempts take this long or longer")
    share: float = Field(
        _HOST.share,
        ge=0.5,
        le=1,
        allow_inf_nan=False,
        description="of the workers for slow hosts; while other tasks wait, they get it; 1: no limit",
    )
