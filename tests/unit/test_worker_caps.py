"""What keeps a consumer from having all its workers at work is said, with how many it can have."""

from pathlib import Path

import pytest

from taskrunner.config import Config
from taskrunner.config.sections.backends import RabbitSection
from taskrunner.config.sections.workers import WorkersSection
from taskrunner.config.worker_caps import files_needed, worker_caps
from taskrunner.consumer.settings import MAX_PREFETCH, ConsumerSettings
from taskrunner.domain.fleet.scaling import MAX_WORKERS
from taskrunner.runtime import machine_limits
from taskrunner.runtime.machine_limits import MachineLimits

LARGE = MachineLimits(processors=8)


def config(*, workers: int, processes: int = 0, prefetch: int = 0) -> Config:
    section = WorkersSection(min_workers=1, max_workers=workers, processes=processes)
    return Config(workers=section, rabbit=RabbitSection(prefetch=prefetch))


@pytest.mark.parametrize(
    ("given", "machine", "words"),
    [
        (config(workers=500, prefetch=300), LARGE, ("Rabbit.prefetch (300)", "Workers.max_workers (500)")),
        (config(workers=500, prefetch=500), LARGE, None),
        (config(workers=MAX_WORKERS), LARGE, None),
        (
            config(workers=1000, processes=1),
            MachineLimits(processors=8, files=1024),
            ("open files (1024)", "about 180 of 1000 workers", "ulimit -Hn"),
        ),
        (
            config(workers=1000, processes=2),
            MachineLimits(processors=8, files=1024),
            ("about 360 of 1000 workers",),
        ),
        (config(workers=50), MachineLimits(processors=1, files=1024), None),
        (config(workers=50), MachineLimits(processors=1, files=64), ("about 1 of 50 workers",)),
        (
            config(workers=500, processes=1),
            MachineLimits(processors=8, threads=100),
            ("threads (100)", "about 68 of 500 workers", "pids.max"),
        ),
        (config(workers=50), MachineLimits(processors=1, threads=100), None),
        (
            config(workers=50),
            MachineLimits(processors=8, quota=1.5),
            ("quota of 1.5 of 8 processors", "1 process and not 2", "Workers.processes"),
        ),
        (config(workers=50, processes=2), MachineLimits(processors=8, quota=1.5), None),
        (config(workers=50), MachineLimits(processors=8, quota=3.5), None),
    ],
)
def test_a_cap_is_told_with_what_it_leaves(
    given: Config, machine: MachineLimits, words: tuple[str, ...] | None
) -> None:
    caps = worker_caps(given, machine)
    assert len(caps) == (words is not None)
    for word in words or ():
        assert word in caps[0]


def test_all_caps_are_told() -> None:
    """Lifting one shows no other that was there before."""
    machine = MachineLimits(processors=8, quota=1.0, threads=50, files=100)
    assert len(worker_caps(config(workers=500, prefetch=20), machine)) == 4


@pytest.mark.parametrize(
    ("workers", "given", "held"),
    [(5, 0, 300), (50, 0, 300), (500, 0, 3000), (MAX_WORKERS, 0, 60_000), (500, 7, 7)],
)
def test_the_prefetch_follows_the_workers_unless_it_is_set(workers: int, given: int, held: int) -> None:
    assert ConsumerSettings(name="c", workers=workers, prefetch=given).held_per_queue == held <= MAX_PREFETCH


def test_each_worker_process_needs_files_for_its_workers() -> None:
    assert files_needed(config(workers=1000, processes=4), LARGE) == 250 * 5 + 124


@pytest.mark.parametrize(
    ("own", "above", "quota", "threads"),
    [
        ({"cpu.max": "max 100000", "pids.max": "max"}, {}, None, None),
        ({"cpu.max": "150000 100000", "pids.max": "70"}, {}, 1.5, 70),
        ({"cpu.max": "max 100000", "pids.max": "90"}, {"cpu.max": "50000 100000", "pids.max": "80"}, 0.5, 80),
        ({}, {}, None, None),
    ],
    ids=["none", "its own", "of a group above", "no files"],
)
def test_limits_of_every_control_group_above_hold(
    own: dict[str, str],
    above: dict[str, str],
    quota: float | None,
    threads: int | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    group = tmp_path / "services" / "taskrunner"
    group.mkdir(parents=True)
    for folder, files in ((group, own), (group.parent, above)):
        for name, text in files.items():
            (folder / name).write_text(f"{text}\n")
    monkeypatch.setattr(machine_limits, "_CGROUPS", tmp_path)
    monkeypatch.setattr(machine_limits, "_own_path", lambda: "services/taskrunner")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    limits = MachineLimits.read()
    assert (limits.quota, limits.threads) == (quota, threads)
