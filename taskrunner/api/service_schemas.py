"""The shapes of what a process tells of itself: its health, its figures, its pages."""

from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, Field

from taskrunner.api.schemas import Shape
from taskrunner.domain.status import Status


class Check(Shape):
    """One dependency."""

    ok: bool
    error: str | None
    since: AwareDatetime
    details: dict[str, Any] = Field(default_factory=dict)


class Health(Shape):
    """One check per dependency."""

    status: Literal["ok", "degraded"]
    checks: dict[str, Check]


class Liveness(Shape):
    """The event loop turns."""

    status: Literal["ok"]


class Readiness(Shape):
    """Whether work may be sent here, and why not."""

    status: Literal["ready", "not ready"]
    reasons: list[str]


class Stats(BaseModel):
    """Numbers by part; null for a part that could not be had, with the reason in `errors`.

    `consume` has `workers` and `in_flight` beside these.
    """

    queues: dict[str, Any] | None = None
    counts: dict[Status, int] | None = None
    stuck: dict[Status, int] | None = None
    paused: dict[str, AwareDatetime] | None = None
    rates: dict[str, dict[str, float]] | None = None
    totals: dict[str, int] | None = None
    reconnects: dict[str, int] | None = None
    workers: dict[str, Any] | None = None
    in_flight: int | None = None
    uptime: float
    version: str
    errors: dict[str, str]


class Index(Shape):
    """What there is to ask for."""

    name: Literal["taskrunner"]
    version: str
    endpoints: list[str]
    prefix: str
