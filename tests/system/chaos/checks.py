"""The promises I1 to I11: one function each, from the evidence to a line for each violation."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

from tests.system.chaos.evidence import Evidence
from tests.system.chaos.traffic import REFUSED

TERMINAL = frozenset({"succeeded", "failed", "cancelled"})
# The store's times are whole milliseconds, and a fetch needs a moment from its claim to the target.
_CLOCK_SLACK = 0.005
# A cancelled fetch is cut off within a second; a busy machine needs longer to tell the worker.
_CANCEL_SLACK = 5.0
_SPARE_THREADS = 3
_SPARE_SOCKETS = 3
_SPARE_BYTES = 48 << 20
_SPARE_SHARE = 0.25  # of the memory it had: an allocator keeps what a burst has taken


def ended(evidence: Evidence) -> list[str]:
    """I1: every accepted task reaches a terminal status."""
    seen, found = evidence.hits_by_task(), []
    for name, task_id in evidence.ids.items():
        record = evidence.records.get(task_id)
        if record is None:
            ran = any(hit.answered for hit in seen.get(task_id, ()))
            if not (evidence.wiped and ran):
                found.append(f"{name}: lost, task {task_id} has no record")
        elif record["status"] not in TERMINAL:
            found.append(f"{name}: still {record['status']}, attempt {record['attempt']}")
    return found


def seen_by_target(evidence: Evidence) -> list[str]:
    """I2: no success that the target did not see."""
    seen = evidence.hits_by_task()
    return [
        f"{task_id}: succeeded unseen"
        for task_id, record in evidence.records.items()
        if record
        and record["status"] == "succeeded"
        and not any(hit.answered for hit in seen.get(task_id, ()))
    ]


def silent_after_end(evidence: Evidence) -> list[str]:
    """I3: no run after a terminal status."""
    seen, found = evidence.hits_by_task(), []
    for task_id, record in evidence.records.items():
        if record and record["status"] in TERMINAL:
            cancelled = record["status"] == "cancelled"
            end = _finished(record) + (_CANCEL_SLACK if cancelled else _CLOCK_SLACK)
            late = [hit for hit in seen.get(task_id, ()) if hit.at > end]
            found += [
                f"{task_id}: attempt {hit.attempt} ran {hit.at - end:.3f} s after its end" for hit in late
            ]
    return found


def counted_once(evidence: Evidence) -> list[str]:
    """I4: a submit, however often it was sent, is one task or none per id and idempotency key."""
    ids, found = evidence.ids, []
    for name, hits in evidence.hits_by_name().items():
        tasks = {hit.task for hit in hits} | ({ids[name]} if name in ids else set())
        if len(tasks) > 1:
            found.append(f"{name}: {len(tasks)} tasks")
    return found


def refused_unseen(evidence: Evidence) -> list[str]:
    """I5: a refused task never reaches a target, and what must be refused is."""
    seen, found = evidence.hits_by_name(), []
    for submit in evidence.submits:
        if submit.refused is not None and submit.id in seen:
            found.append(f"{submit.id}: answered {submit.refused}, and was run")
        order = evidence.orders.get(submit.id)
        if (
            order
            and (submit.refused or submit.accepted_at)
            and (submit.refused is not None) != (order.expect == REFUSED)
        ):
            found.append(f"{submit.id}: answered {submit.refused or 202}, expected to be {order.expect}")
    return found


def stays_ended(evidence: Evidence) -> list[str]:
    """I6: a terminal status never changes, and attempts only grow."""
    found = []
    for task_id, record in evidence.records.items():
        later = evidence.last_records.get(task_id)
        if not record or not later:
            continue
        first, last = ((look["status"], look["finished_at"]) for look in (record, later))
        if record["status"] in TERMINAL and first != last:
            found.append(f"{task_id}: {first} became {last}")
        numbers = [attempt["number"] for attempt in later["attempts"]]
        if numbers != sorted(set(numbers)) or len(numbers) < len(record["attempts"]):
            found.append(f"{task_id}: attempts {numbers}")
    return found


def called_back_once(evidence: Evidence) -> list[str]:
    """I7: one callback per terminal status; a repetition of it carries the same id."""
    ids: dict[str, set[str]] = {task_id: set() for task_id in evidence.wants_callback}
    for callback in evidence.callbacks:
        ids.setdefault(callback.task, set()).add(callback.webhook_id)
    wanted = evidence.wants_callback
    return [
        f"{task}: {len(found)} callbacks" for task, found in ids.items() if len(found) != (task in wanted)
    ]


def poison_only(evidence: Evidence) -> list[str]:
    """I8: the dead letters are exactly the poison."""
    found = []
    for name, task_id in evidence.ids.items():
        record, order = evidence.records.get(task_id), evidence.orders.get(name)
        if (
            record
            and order
            and record["status"] in TERMINAL
            and record["status"] not in order.expect.split(" or ")
        ):
            found.append(f"{name}: {record['status']} ({record['error']}), expected {order.expect}")
    published, letters = Counter(evidence.poison), Counter(evidence.letters)
    found += [f"poison {body!r} is no dead letter" for body in (published - letters)]
    found += [f"dead letter {body!r} is no poison" for body in letters if body not in published]
    return found


def back_in_time(evidence: Evidence) -> list[str]:
    """I9: throughput is back after a fault."""
    if evidence.recovery is None:
        return ["the former rate did not come back"]
    if evidence.recovery > evidence.recovers_within:
        return [f"back after {evidence.recovery:.1f} s, promised {evidence.recovers_within:g} s"]
    return []


def gives_back(evidence: Evidence) -> list[str]:
    """I10: threads, sockets and memory return to the baseline."""
    found = []
    for name, (before, after) in evidence.usage.items():
        limits = (
            ("threads", before.threads, after.threads, _SPARE_THREADS),
            ("sockets", before.sockets, after.sockets, _SPARE_SOCKETS),
            ("bytes", before.rss_bytes, after.rss_bytes, max(_SPARE_BYTES, before.rss_bytes * _SPARE_SHARE)),
        )
        found += [
            f"{name}: {was} {what} became {now}" for what, was, now, spare in limits if now > was + spare
        ]
    return found


def keeps_secrets(evidence: Evidence) -> list[str]:
    """I11: no secret in a log, an error, a metric or a config dump."""
    return [
        f"{name} holds a secret"
        for name, text in evidence.texts.items()
        for s in evidence.secrets
        if s in text
    ]


CHECKS: dict[str, Callable[[Evidence], list[str]]] = {
    "I1": ended,
    "I2": seen_by_target,
    "I3": silent_after_end,
    "I4": counted_once,
    "I5": refused_unseen,
    "I6": stays_ended,
    "I7": called_back_once,
    "I8": poison_only,
    "I9": back_in_time,
    "I10": gives_back,
    "I11": keeps_secrets,
}


def check(evidence: Evidence) -> dict[str, list[str]]:
    """Everything that breaks a promise, by the promise."""
    return {name: found for name, look in CHECKS.items() if (found := look(evidence))}


def duplicates(evidence: Evidence) -> int:
    """Requests that the target saw beyond one per attempt."""
    numbers = Counter((hit.task, hit.attempt) for hit in evidence.hits)
    return sum(count - 1 for count in numbers.values())


def repeats(evidence: Evidence) -> int:
    """Attempts that a fault of ours or of the world cost: those that were interrupted."""
    return sum(
        attempt["outcome"] == "interrupted"
        for record in evidence.records.values()
        if record
        for attempt in record["attempts"]
    )


def _finished(record: Any) -> float:
    return datetime.fromisoformat(record["finished_at"]).timestamp()
