"""A trial: traffic, a fault in the middle of it, more traffic, and then the evidence."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.system.chaos.checks import TERMINAL, check, duplicates, repeats
from tests.system.chaos.evidence import Callback, Evidence, Usage
from tests.system.chaos.traffic import Traffic
from tests.system.harness.target import Hit, Target
from tests.tools.waiting import last_look, wait_for

_BEFORE = 1.5  # seconds of traffic from which the former rate is taken
_WINDOW = 1.0
_SHARE = 0.9
_LOOKED_AT_AGAIN = 2000  # tasks, the last ones: more takes longer than it tells


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`tasks` are accepted at least; `ends_within` is seconds for the last one's end."""

    tasks: int = 1000
    lead: int = 300
    ends_within: float = 90.0
    recovers_within: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One line of the campaign's table; `recovery` is None when the former rate did not come back.

    `rerun` is the longest time from the fault's beginning until an interrupted attempt's task ran again,
    `more` what any process holds in the end beyond what it held before the first fault.
    """

    fault: str
    seed: int
    tasks: int
    lost: int
    duplicates: int
    repeats: int
    after_end: int
    rate: float
    outage: float
    recovery: float | None
    rerun: float | None
    seconds: float
    findings: dict[str, list[str]]
    more: Usage | None = None


def run(
    fault: str,
    seed: int,
    traffic: Traffic,
    target: Target,
    inject: Callable[[], None],
    complete: Callable[[Evidence], None],
    settings: Settings,
) -> Result:
    """Inject the fault under traffic, wait for the end of all, and judge; `complete` adds to the evidence."""
    started, mark = time.monotonic(), target.count()
    with traffic:
        wait_for(lambda: len(traffic.accepted) >= settings.lead, "traffic")
        time.sleep(_BEFORE)
        begun = time.time()
        inject()
        over = time.time()
        _go_on(traffic, target, mark, settings, (begun, over))
    traffic.ledger.close()
    ids = [submit.task_id for submit in traffic.accepted]
    records = follow(traffic, ids, within=settings.ends_within)
    last = follow(traffic, ids[-_LOOKED_AT_AGAIN:], within=0.0)
    wanted = _want_callback(traffic)
    # What has no end by now has none to tell of.
    ended = {name: task_id for name, task_id in wanted.items() if _has_ended(records[task_id])}
    hits = _all_told(traffic, target, mark, ended, within=settings.ends_within)
    evidence = Evidence(
        orders=traffic.orders.made,
        submits=traffic.ledger.submits,
        records=records,
        last_records=last,
        hits=[hit for hit in hits if f"/{traffic.orders.run}/" in hit.path],
        wants_callback=frozenset(wanted.values()),
        callbacks=_callbacks(traffic, hits, wanted),
        recovery=recovery(hits, begun, over),
        recovers_within=settings.recovers_within,
    )
    complete(evidence)
    findings = check(evidence)
    return Result(
        fault=fault,
        seed=seed,
        tasks=len(ids),
        lost=len(findings.get("I1", ())),
        duplicates=duplicates(evidence),
        repeats=repeats(evidence),
        after_end=len(findings.get("I3", ())),
        rate=round(rate(hits, begun), 1),
        outage=round(over - begun, 2),
        recovery=None if evidence.recovery is None else round(evidence.recovery, 2),
        rerun=rerun(evidence, begun),
        seconds=round(time.monotonic() - started, 1),
        findings={
            name: found[:5] + [f"… {len(found)} in all"] * (len(found) > 5)
            for name, found in findings.items()
        },
        more=growth(evidence.usage),
    )


def unjudged(fault: str, seed: int, error: Exception) -> Result:
    """A trial that could not be carried through, which is no proof of anything: it fails."""
    return Result(
        fault=fault,
        seed=seed,
        tasks=0,
        lost=0,
        duplicates=0,
        repeats=0,
        after_end=0,
        rate=0.0,
        outage=0.0,
        recovery=None,
        rerun=None,
        seconds=0.0,
        findings={"unjudged": [f"{type(error).__name__}: {error}"[:1000]]},
    )


def follow(traffic: Traffic, ids: Iterable[str], *, within: float) -> dict[str, Any]:
    """Each task's record when it was first seen terminal, or at the deadline; None for an unknown one."""
    waiting, found = list(ids), dict[str, Any]()
    with traffic.client() as client:

        def look() -> bool:
            for task_id in waiting:
                answer = client.get(f"/tasks/{task_id}")
                if answer.status not in (200, 404):
                    found.setdefault(task_id, None)  # the store is not back yet
                    continue
                found[task_id] = answer.json if answer.status == 200 else None
            waiting[:] = [task_id for task_id in waiting if not _has_ended(found[task_id])]
            return not waiting

        last_look(look, within=within, interval=0.2)
    return found


def _has_ended(record: Any) -> bool:
    return bool(record) and record["status"] in TERMINAL


def _want_callback(traffic: Traffic) -> dict[str, str]:
    """The ids of the tasks whose end is to be told, by name."""
    made = traffic.orders.made
    return {each.id: each.task_id for each in traffic.accepted if "callback" in made[each.id].fields}


def _all_told(
    traffic: Traffic, target: Target, mark: int, wanted: Mapping[str, str], *, within: float
) -> list[Hit]:
    """What the target saw, once every callback that is wanted is among it, or at the deadline."""
    hits: list[Hit] = []

    def look() -> bool:
        hits[:] = target.hits(mark)
        return {callback.task for callback in _callbacks(traffic, hits, wanted)} >= set(wanted.values())

    last_look(look, within=within, interval=0.5)
    return hits


def _callbacks(traffic: Traffic, hits: Sequence[Hit], wanted: Mapping[str, str]) -> list[Callback]:
    """A callback goes by a task of its own, whose id is the webhook's id."""
    told = ((hit, hit.path.rpartition("/")) for hit in hits if traffic.orders.told_path in hit.path)
    return [Callback(task=wanted[name], webhook_id=hit.task) for hit, (_, _, name) in told if name in wanted]


def rate(hits: Sequence[Hit], begun: float) -> float:
    """Tasks that the target answered per second before the fault."""
    return sum(begun - _BEFORE <= hit.at < begun for hit in hits if hit.answered) / _BEFORE


def recovery(hits: Sequence[Hit], begun: float, over: float) -> float | None:
    """Seconds from the fault's end until a second with nine tenths of the former rate begins."""
    wanted = rate(hits, begun) * _SHARE * _WINDOW
    times = sorted(hit.at for hit in hits if hit.answered and hit.at >= over)
    if wanted == 0:
        return 0.0
    starts = [over, *times]
    first = last = 0
    for start in starts:
        while first < len(times) and times[first] < start:
            first += 1
        while last < len(times) and times[last] < start + _WINDOW:
            last += 1
        if last - first >= wanted:
            return max(0.0, start - over)
    return None


def growth(usage: Mapping[str, tuple[Usage, Usage]]) -> Usage | None:
    """The most that any process has more than before, each figure for itself; None where nobody looked."""
    if not usage:
        return None
    return Usage(
        threads=max(after.threads - before.threads for before, after in usage.values()),
        sockets=max(after.sockets - before.sockets for before, after in usage.values()),
        rss_bytes=max(after.rss_bytes - before.rss_bytes for before, after in usage.values()),
    )


def rerun(evidence: Evidence, begun: float) -> float | None:
    """Seconds until the last interrupted task ran again; None where no attempt was interrupted."""
    seen = evidence.hits_by_task()
    times = [
        min(later) - begun
        for task_id, record in evidence.records.items()
        for attempt in (record["attempts"] if record else ())
        if attempt["outcome"] == "interrupted"
        and (later := [hit.at for hit in seen.get(task_id, ()) if hit.attempt > attempt["number"]])
    ]
    return round(max(times), 1) if times else None


def _go_on(
    traffic: Traffic, target: Target, mark: int, settings: Settings, fault: tuple[float, float]
) -> None:
    """Until the former rate is back and enough tasks are accepted, or the time for that is over."""
    before, over = len(traffic.accepted), fault[1]

    def look() -> bool:
        if time.time() > over + settings.recovers_within + 2 * _WINDOW:
            return True
        enough = len(traffic.accepted) >= max(settings.tasks, before + settings.tasks // 4)
        return enough and recovery(target.hits(mark), *fault) is not None

    wait_for(look, "traffic goes on", within=settings.recovers_within + 30, interval=0.5)
