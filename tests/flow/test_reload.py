"""A reload in one process: what changes, what waits for a restart, and that the two are not mixed."""

import base64
import json
from functools import partial
from pathlib import Path

import pytest

from taskrunner.app.adapters import upgrade_store
from taskrunner.app.monitor import Monitor
from taskrunner.app.platform import Platform
from taskrunner.app.reload import Reload
from taskrunner.app.services import make_scheduler, refuse_undeclared_queues, watches_running
from taskrunner.config import load
from taskrunner.domain.errors import ConfigInvalid, StateConflict
from taskrunner.domain.events import Event
from taskrunner.domain.keys.api_key import Scope, configured_key, new_secret
from taskrunner.domain.process_events import ConfigRefused, ConfigReloaded
from taskrunner.domain.queues.queue_draft import QueueDraft
from taskrunner.domain.schedules.schedule_draft import ScheduleDraft
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.domain.value import replace
from taskrunner.producer.schedule_admin import ScheduleAdmin, stored_form
from tests.tools.token_keys import ec_pem

SECRET = "whsec_" + base64.b64encode(bytes(24)).decode()


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    (tmp_path / "config.yaml").write_text("{}")
    settings = {
        "TASKRUNNER_STORE__URL": f"sqlite:///{tmp_path}/x.db",
        "TASKRUNNER_RABBIT__ADDR": "memory://",
    }
    return Platform(load(environ=settings, folder=tmp_path), publishes=False)


def reload(platform: Platform, folder: Path, config: object) -> Event:
    """Reload with this file, and answer what came of it."""
    told: list[Event] = []
    platform.events.subscribe(told.append, (ConfigReloaded, ConfigRefused))
    (folder / "config.yaml").write_text(json.dumps(config))
    monitor = Monitor(platform, consuming=False, providers={})
    Reload(platform, monitor, partial(load, environ={}, folder=folder))()
    (event,) = told
    return event


def test_what_needs_a_restart_takes_no_part(tmp_path: Path, platform: Platform) -> None:
    """A limit of tasks is read together with settings that consumers take over at their start only."""
    event = reload(
        platform,
        tmp_path,
        {
            "Store": {"url": platform.config.store.url},
            "Rabbit": {"addr": "memory://"},
            "Limits": {"max_headers": 3, "max_url_bytes": 1000},
            "Fetch": {"ports": [81], "tls": {"new": {"ca_file": "ca.pem"}}},
        },
    )
    assert isinstance(event, ConfigReloaded)
    assert event.changed == ("Limits.max_headers",)
    file = tmp_path / "config.yaml"
    assert platform.config.sources == {
        "Limits.max_headers": f"{file}:1",
        "Rabbit.addr": f"{file}:1",
        "Store.url": f"{file}:1",
    }
    assert event.need_restart == ("Fetch.ports", "Fetch.tls", "Limits.max_url_bytes")
    limits = platform.intake.task_settings.limits
    assert limits.max_headers == 3
    assert limits.max_url_bytes == TaskLimits().max_url_bytes
    assert limits.tls_profiles == {}
    assert 81 not in limits.ssrf_policy.ports


def test_sources_are_where_the_values_in_force_stand_now(tmp_path: Path, platform: Platform) -> None:
    """A line moves, a setting comes or goes with the value it has; what needs a restart keeps its place."""
    file = tmp_path / "config.yaml"
    servers = f'Store:\n  url: "{platform.config.store.url}"\nRabbit:\n  addr: "memory://"\n'
    told: list[Event] = []
    platform.events.subscribe(told.append, (ConfigReloaded, ConfigRefused))
    again = Reload(
        platform,
        Monitor(platform, consuming=False, providers={}),
        partial(load, environ={}, folder=tmp_path),
    )
    file.write_text(f"{servers}Limits:\n  max_headers: {TaskLimits().max_headers}\nFetch:\n  ports: [81]\n")
    again()
    assert platform.config.sources == {
        "Store.url": f"{file}:2",
        "Rabbit.addr": f"{file}:4",
        "Limits.max_headers": f"{file}:6",
    }
    file.write_text(f"# A comment.\n{servers}")
    again()
    assert platform.config.sources == {"Store.url": f"{file}:3", "Rabbit.addr": f"{file}:5"}
    file.write_text(f"{servers.replace('x.db', 'new.db')}Logger:\n  format: json\n  level: debug\n")
    again()
    assert platform.config.sources == {
        "Store.url": f"{file}:3",
        "Rabbit.addr": f"{file}:4",
        "Logger.level": f"{file}:7",
    }
    assert all(isinstance(event, ConfigReloaded) for event in told)


def test_secrets_and_credentials_change(tmp_path: Path, platform: Platform) -> None:
    """What tasks may name, and the keys that are published: a new text of a key file is a change, too."""
    (tmp_path / "key.pem").write_text(ec_pem())
    config = {
        "Store": {"url": platform.config.store.url},
        "Rabbit": {"addr": "memory://"},
        "Callbacks": {"secrets": {"new": {"keys": [SECRET], "hosts": "*"}}},
        "Fetch": {
            "issuer": "https://tasks.example",
            "credentials": {"erp": {"key_file": "key.pem", "hosts": ["erp.example"]}},
        },
    }
    event = reload(platform, tmp_path, config)
    assert isinstance(event, ConfigReloaded)
    assert (event.changed, event.need_restart) == (
        ("Callbacks.secrets", "Fetch.credentials", "Fetch.issuer"),
        (),
    )
    limits = platform.intake.task_settings.limits
    assert (limits.callback_secrets, [*limits.credentials]) == ({"new": ("*",)}, ["erp"])
    assert platform.token_keys.issuer == "https://tasks.example"
    [before] = platform.token_keys.keys
    (tmp_path / "key.pem").write_text(ec_pem())
    event = reload(platform, tmp_path, config)
    assert isinstance(event, ConfigReloaded)
    assert event.changed == ("Fetch.credentials",)
    [after] = platform.token_keys.keys
    assert before["kid"] != after["kid"]
    (tmp_path / "key.pem").write_text("junk")
    assert isinstance(reload(platform, tmp_path, config), ConfigRefused)
    assert platform.token_keys.keys == [after]


async def test_queues_change(tmp_path: Path, platform: Platform) -> None:
    """A queue comes, another goes, and a weight changes; with the next turn of the watch at the latest."""
    await upgrade_store(platform.config)
    kept = {"Store": {"url": platform.config.store.url}, "Rabbit": {"addr": "memory://"}}
    async with platform.running(need_store=True):
        for queues, expected in (
            ({"reports": {"weight": 2}}, {"high": 16, "medium": 4, "low": 1, "reports": 2}),
            ({"high": {"weight": 6}, "mails": None}, {"high": 6, "medium": 4, "low": 1, "mails": 1}),
            ({}, {"high": 16, "medium": 4, "low": 1}),
        ):
            event = reload(platform, tmp_path, {**kept, "Queues": queues})
            assert isinstance(event, ConfigReloaded)
            assert event.need_restart == ()
            await platform.queues.turn()
            assert platform.queues.declared.weights == expected
            assert platform.intake.task_settings.limits.queues == tuple(expected)


@pytest.mark.parametrize(("queues", "unknown"), [(("high", "reports"), None), (("low", "report"), "report")])
async def test_a_consumer_serves_no_queue_that_nobody_declared(
    tmp_path: Path, queues: tuple[str, ...], unknown: str | None
) -> None:
    """The store has queues, too, so it is asked first."""
    (tmp_path / "config.yaml").write_text("{}")
    environ = {"TASKRUNNER_STORE__URL": f"sqlite:///{tmp_path}/x.db", "TASKRUNNER_RABBIT__ADDR": "memory://"}
    config = load(environ=environ, folder=tmp_path, flags={"Workers.queues": queues})
    await upgrade_store(config)
    platform = Platform(config)
    async with platform.running(need_store=True), watches_running(platform):
        await platform.queue_admin.put("reports", QueueDraft())
        if unknown is None:
            refuse_undeclared_queues(platform)
            return
        with pytest.raises(ConfigInvalid) as caught:
            refuse_undeclared_queues(platform)
    (error,) = caught.value.errors
    assert (error.field, 'did you mean "reports"?' in error.message) == ("Workers.queues", True)


def test_a_finding_changes_nothing(tmp_path: Path, platform: Platform) -> None:
    before = platform.config, platform.intake.task_settings
    event = reload(platform, tmp_path, {"Limits": {"max_headers": 3, "max_heathers": 3}})
    assert isinstance(event, ConfigRefused)
    assert "max_heathers" in event.error
    assert (platform.config, platform.intake.task_settings) == before


async def test_the_scheduler_goes_by_the_new_limits(tmp_path: Path, platform: Platform) -> None:
    """As the intake does, and the consumer and the collector: the limits have one owner."""
    await upgrade_store(platform.config)
    scheduler = make_scheduler(platform)
    async with platform.running(need_store=True):
        schedules = ScheduleAdmin(platform.store, platform.intake, platform.clock)
        task = {"url": "https://example.com/", "headers": {"A": "1", "B": "2"}}
        draft = ScheduleDraft.from_fields({"cron": "* * * * *", "task": task}, TaskLimits())
        made = await schedules.create("report", draft)
        due = replace(made, next_at=platform.clock.now().replace(second=0, microsecond=0))
        stored = await platform.store.schedule("report")
        assert stored is not None
        assert await platform.store.save_schedule(stored_form(due), expected=stored.version)
        kept = {"Store": {"url": platform.config.store.url}, "Rabbit": {"addr": "memory://"}}
        reload(platform, tmp_path, {**kept, "Limits": {"max_headers": 1}})
        await scheduler.turn()
        assert "2 headers, at most 1" in ((await schedules.get("report")).error or "")


async def test_a_configured_key_named_as_a_stored_one_is_refused(tmp_path: Path, platform: Platform) -> None:
    """At a reload, which then changes nothing, and at the start. A revoked key keeps its name, too."""
    await upgrade_store(platform.config)
    async with platform.running(need_store=True):
        await platform.key_admin.create("web", (Scope.SUBMIT,), owner=None, expires_at=None)
        await platform.key_admin.revoke("web")
        async with watches_running(platform):
            event = reload(
                platform,
                tmp_path,
                {"Api": {"keys": {"web": new_secret()}}, "Limits": {"max_headers": 3}},
            )
        assert isinstance(event, ConfigRefused)
        assert "Api.keys.web: is the name of a key in the store" in event.error
        assert platform.keys.configured == ()
        assert platform.intake.task_settings.limits.max_headers == TaskLimits().max_headers
        platform.keys.configure([configured_key("web", new_secret(), (Scope.ADMIN,))])
        with pytest.raises(ConfigInvalid, match=r"Api\.keys\.web"):
            await watches_running(platform).__aenter__()


async def test_no_key_is_made_with_the_name_of_a_configured_one(platform: Platform) -> None:
    """The other way round: what is in the configuration cannot be taken."""
    await upgrade_store(platform.config)
    platform.keys.configure([configured_key("web", new_secret(), (Scope.ADMIN,))])
    async with platform.running(need_store=True):
        with pytest.raises(StateConflict, match="'web'"):
            await platform.key_admin.create("web", (Scope.SUBMIT,), owner=None, expires_at=None)
