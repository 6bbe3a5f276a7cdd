"""What a long-lived process reports to the store."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from taskrunner.app.monitor import Monitor
from taskrunner.app.platform import Platform
from taskrunner.app.services import running
from taskrunner.domain.worker_report import WorkerReport
from taskrunner.producer.process_reporter import ProcessReporter


@asynccontextmanager
async def reports_running(
    platform: Platform, monitor: Monitor, workers: Callable[[], WorkerReport] | None = None
) -> AsyncIterator[None]:
    """Report inside. `workers` describes the consumer of this process, if it has one."""
    reporter = ProcessReporter(
        platform.store,
        platform.events,
        platform.clock,
        process=platform.process_name,
        counted=monitor.metrics.figures,
        depth=monitor.depth,
        workers=workers,
    )
    async with running(reporter):
        yield
