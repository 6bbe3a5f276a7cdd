"""`taskrunner doctor`: examines the store and the broker, and says which of them cannot be reached."""

from collections.abc import Sequence
from dataclasses import dataclass

from taskrunner.app.platform import Platform
from taskrunner.app.relay import make_relay
from taskrunner.brokers.base import Broker
from taskrunner.config import Config
from taskrunner.domain.errors import BrokerUnavailable, SetupError
from taskrunner.domain.keys.audit import Actor
from taskrunner.producer.doctor import Doctor, DoctorSettings, Finding

# How long to wait for a service that does not answer; one that is up answers within a second.
_PATIENCE = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The findings among `looked` entries. `unreachable` says why the broker could not be asked."""

    findings: Sequence[Finding]
    looked: int = 0
    unreachable: str | None = None


async def diagnose(config: Config, actor: Actor, *, fix: bool) -> Diagnosis:
    """Examine the store and the broker, and with `fix` repair them. Raises `StoreUnavailable`.

    A memory broker is not asked: it exists in another process only.
    """
    platform = Platform(config, publishes=not config.rabbit.in_memory)
    store, broker = platform.store, platform.broker
    try:
        await store.start()
        try:
            await store.wait_ready(_PATIENCE)
        except SetupError as exc:
            return Diagnosis(findings=[_unfit("store_unfit", exc)])
        unfit: list[Finding] = []
        unreachable: str | None = None
        asked: Broker | None = None
        if platform.publishes:
            await broker.start()
            try:
                await broker.wait_ready(_PATIENCE)
                asked = broker
            except SetupError as exc:
                unfit = [_unfit("topology_conflict", exc)]
            except BrokerUnavailable as exc:
                unreachable = str(exc)
        await platform.pauses.turn()
        doctor = Doctor(store, asked, make_relay(platform), platform.clock, _settings(config, fix=fix))
        async with platform.audit.recording(actor, "doctor.fix") as change:
            change.add(0)
            findings = await doctor.examine()
            change.add(sum(finding.fixed or 0 for finding in findings))
        return Diagnosis(findings=[*unfit, *findings], looked=doctor.looked, unreachable=unreachable)
    finally:
        await broker.stop()
        await store.stop()


def _unfit(kind: str, error: SetupError) -> Finding:
    return Finding(kind=kind, message=str(error), remedy="needs the operator")


def _settings(config: Config, *, fix: bool) -> DoctorSettings:
    return DoctorSettings(
        hold=config.relay.hold,
        lease=config.workers.lease,
        keep=config.retention.failed,
        fix=fix,
    )
