"""The relay of a configuration; `doctor` uses it without the server, whose modules take 0.2 s of a start."""

from taskrunner.app.platform import Platform
from taskrunner.producer.relay import Relay
from taskrunner.producer.settings import RelaySettings


def make_relay(platform: Platform) -> Relay:
    config = platform.config
    return Relay(
        platform.store,
        platform.broker,
        platform.publisher,
        platform.events,
        platform.clock,
        config.relay.settings(RelaySettings, lease=config.workers.lease),
        config.retention_settings(),
        platform.webhooks.source,
        lambda: platform.pauses.current,
    )
