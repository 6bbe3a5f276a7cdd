"""HostSettings: what a slow host's backlog costs the tasks for a fast one, with and without a limit."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.backends import Backends
from harness.bench import Bench, tell
from harness.child import Child, ChildFailed
from harness.figures import Figure
from harness.ours import Taskrunner
from harness.target import Target

FAST_SECONDS, SLOW_SECONDS = 0.05, 2.0
_WANTED_RATIO = 0.9
_ALONE = "alone"
_STALLED_AFTER = 120.0


class WithSlowHost(Taskrunner):
    """The same commands; a second target's port is another host."""

    def __init__(self, backends: Backends, folder: Path, ports: list[int], limits: dict[str, str]) -> None:
        folder.mkdir()
        self._reachable = ports
        self._limits = limits
        super().__init__(backends, folder, ports[0])

    def _settings(self, target_port: int) -> dict[str, Any]:
        settings = super()._settings(target_port)
        fetch = {**settings["Fetch"], "ports": self._reachable}
        return {**settings, "Fetch": fetch, "Hosts": {"limits": self._limits}}


def fair(bench: Bench) -> None:
    """Fast tasks alone, then behind a slow host's in the queue, then handed in while those are under way.

    Without a limit the slow host gives workers up only as its attempts end, so a ratio is wanted with one.
    """
    folder = bench.folder / "slow"
    folder.mkdir()
    with Target(folder) as slow:
        ports = [bench.target.port, slow.port]
        limit = {f"127.0.0.1:{slow.port}": "concurrency=4"}
        limited = WithSlowHost(bench.backends, bench.folder / "limited", ports, limit)
        free = WithSlowHost(bench.backends, bench.folder / "free", ports, {})
        scenes = [_Scene(bench, limited, slow), _Scene(bench, free, slow)]
        rounds = [_round(scenes) for _ in range(bench.sizes.repeat)]
    tasks = f"{bench.sizes.fair_fast:,} tasks of 50 ms"
    for what in rounds[0]:
        runs = [each[what] for each in rounds]
        bench.figures.append(Figure(what=f"{tasks}, {what}", unit="tasks/s", runs=runs))
        if what != _ALONE:
            ratios = [each[what] / each[_ALONE] for each in rounds]
            wanted = _WANTED_RATIO if "limited" in what else None
            bench.figures.append(
                Figure(what="  of the rate alone", unit="times", runs=ratios, at_least=wanted)
            )


def _round(scenes: "list[_Scene]") -> dict[str, float]:
    limited, free = scenes
    return {
        _ALONE: limited.alone(),
        "behind a limited slow host's": limited.behind(),
        "while those of a limited one are under way": limited.meanwhile(),
        "behind a slow host's": free.behind(),
        "while those are under way": free.meanwhile(),
    }


class _Scene:
    """A fast and a slow target, and one consumer; each measure begins with empty servers."""

    def __init__(self, bench: Bench, ours: WithSlowHost, slow: Target) -> None:
        self._bench = bench
        self._ours = ours
        self._slow = slow

    def alone(self) -> float:
        """Tasks per second at the fast target, from its first to its last."""
        self._clear("alone")
        self._queue_fast()
        with self._ours.consume() as child:
            return self._rate(child)

    def behind(self) -> float:
        """All are queued before the consumer starts, the slow ones first."""
        self._clear("behind the slow host's")
        self._queue_slow()
        self._queue_fast()
        with self._ours.consume() as child:
            return self._rate(child)

    def meanwhile(self) -> float:
        """The consumer has put off what the slow host cannot take, and runs the rest."""
        self._clear("while the slow host's are under way")
        self._queue_slow()
        with self._ours.consume() as child:
            _until(lambda: self._ours.depth() == 0 and self._slow.count().requests > 0, child)
            self._queue_fast()
            return self._rate(child)

    def _clear(self, what: str) -> None:
        tell(f"taskrunner: {self._bench.sizes.fair_fast:,} tasks of 50 ms, {what}")
        self._bench.backends.reset()
        self._bench.target.reset()
        self._slow.reset()

    def _queue_fast(self) -> None:
        self._ours.produce(self._bench.target.pattern(FAST_SECONDS), self._bench.sizes.fair_fast)

    def _queue_slow(self) -> None:
        self._ours.produce(self._slow.pattern(SLOW_SECONDS), self._bench.sizes.fair_slow)

    def _rate(self, child: Child) -> float:
        tasks = self._bench.sizes.fair_fast
        _until(lambda: self._bench.target.count().tasks >= tasks, child)
        count, slow = self._bench.target.count(), self._slow.count()
        rate = tasks / (count.last - count.first)
        began = min(count.first, slow.first or count.first)
        tell(
            f"  {rate:,.0f} tasks/s, the last {count.last - began:.1f} s after the consumer's first request; "
            f"the slow host has had {slow.requests:,}"
        )
        return rate


def _until(reached: Callable[[], bool], child: Child) -> None:
    deadline = time.monotonic() + _STALLED_AFTER
    while not reached():
        child.check()
        if time.monotonic() > deadline:
            raise ChildFailed("the fast host's tasks did not get through")
        time.sleep(0.02)
