"""The part of a store in which processes report what they do, for operators."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime

from taskrunner.domain.codec import Decoder
from taskrunner.domain.fleet.figures import Figures
from taskrunner.domain.fleet.worker_report import WorkerReport
from taskrunner.domain.value import Value

decode_worker_report = Decoder(WorkerReport).decode
decode_figures = Decoder(Figures).decode


class StoredFigures(Value):
    """The figures of a process for the `seconds` from `start`, which is seconds since 1970."""

    seconds: int
    start: int
    process: str
    figures: Figures


class FleetStore(ABC):
    """Reports end by themselves. A call that is repeated, its answer lost, changes nothing more."""

    @abstractmethod
    async def report(
        self, report: WorkerReport | None, figures: Sequence[StoredFigures], *, now: datetime, until: datetime
    ) -> None:
        """Replace the report of a consumer, valid until `until`, and the figures of the same times.

        Of each resolution, as many figures are kept as `domain.figures.KEPT` has.
        """

    @abstractmethod
    async def worker_reports(self, *, now: datetime) -> Sequence[WorkerReport]:
        """The reports that are valid, by id."""

    @abstractmethod
    async def figures(self, *, seconds: int, first: int, last: int) -> Sequence[StoredFigures]:
        """The figures of this resolution that start from `first` to `last`, in order."""

    @abstractmethod
    async def queued_since(self, *, limit: int) -> Mapping[str, datetime]:
        """Since when the first task of each queue is queued, of the `limit` that were created first."""
