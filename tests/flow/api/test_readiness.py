"""A consumer that is alive and gets nothing is not ready, and `/readyz` says why."""

from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from taskrunner.api.app import build_monitor_app
from taskrunner.api.http.server import WebServer
from taskrunner.api.probes import broker_check
from taskrunner.brokers.base import BrokerStatus
from taskrunner.brokers.memory import MemoryBroker
from taskrunner.domain.clock import SystemClock
from taskrunner.domain.events import Events
from taskrunner.domain.executors.executor_source import ExecutorSource
from taskrunner.monitor.health import Health
from taskrunner.monitor.metrics import Metrics
from taskrunner.monitor.stats import Stats
from tests.flow.api.harness import open_access, unused_trail

VERDICT = "queue low has ready messages, but none came for 60 s, 2 times in a row"


class Stalling(MemoryBroker):
    """A broker of which a test says what its status is, as the watchdog's verdict does."""

    status_fields: dict[str, Any]

    def status(self) -> BrokerStatus:
        return replace(super().status(), **self.status_fields)


@pytest.mark.parametrize(
    ("status_fields", "status", "reason"),
    [
        ({"consuming": True}, 200, None),
        ({"consuming": False, "error": VERDICT}, 503, VERDICT),
        ({"consuming": False, "error": None}, 503, "connected, but not consuming"),
        # An alarm alone lets a consumer work, but it is no excuse for a stall.
        ({"consuming": True, "blocked": "memory"}, 200, None),
        ({"consuming": False, "error": VERDICT, "blocked": "memory"}, 503, VERDICT),
    ],
)
async def test_a_stall_that_a_new_connection_did_not_heal(
    status_fields: dict[str, Any], status: int, reason: str | None
) -> None:
    """From the second stall in a row on, until a delivery comes."""
    clock, events = SystemClock(), Events()
    broker = Stalling(events)
    broker.status_fields = status_fields
    await broker.start()
    health = Health(clock)
    health.add("rabbitmq", broker_check(broker, consuming=True), needed=True)
    health.open()
    app = build_monitor_app(
        health=health,
        stats=Stats({}, clock, Events()),
        metrics=Metrics(clock, ExecutorSource()),
        access=open_access(),
        trail=unused_trail(),
    )
    server = WebServer(app, "127.0.0.1", 0, events=events)
    await server.start()
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{server.port}/readyz") as response,
        ):
            assert response.status == status
            reasons = (await response.json())["reasons"]
            assert (reason is None) is (reasons == [])
            assert reason is None or reason in reasons[0]
    finally:
        await server.stop()
        await broker.stop()
