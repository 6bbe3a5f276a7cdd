"""What a long-lived process reports to the store, and measures of itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from taskrunner.app.monitor import Monitor
from taskrunner.app.platform import Platform
from taskrunner.app.services import running
from taskrunner.monitor.loop_lag import LoopLag
from taskrunner.producer.process_reporter import ProcessReporter, SelfDescribing


@asynccontextmanager
async def reports_running(
    platform: Platform, monitor: Monitor, workers: SelfDescribing | None = None
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
    lag = LoopLag(platform.events, platform.clock, monitor.metrics.loop_lags)
    async with running(reporter), running(lag):
        yield
