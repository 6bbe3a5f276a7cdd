"""Dead messages come and go, what has outlived its retention goes, and the ledger of counts is summed up."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from taskrunner.domain.record import DeadLetter
from taskrunner.stores.sql import values
from taskrunner.stores.sql.session import Session, parts
from taskrunner.stores.sql.statements import Statements

# A ledger of fewer lines is summed up fast enough by whoever asks for the counts.
FOLD_FROM = 200
FOLD_MOST = 10_000


def add_dead_messages(
    session: Session, sql: Statements, letters: Sequence[DeadLetter], *, keep: float
) -> None:
    for part in parts(letters, lambda letter: len(letter.raw or b"")):
        last = {letter.id: letter for letter in part}
        rows: list[dict[str, Any]] = [values.letter(letter, keep) for letter in last.values()]
        session.run(sql.delete_letters, [{"id": letter_id} for letter_id in sorted(last)])
        content, placed = values.pack(rows, [letter.raw for letter in last.values()])
        session.run(sql.insert_letters, placed, pack=content)


def remove_dead_message(session: Session, sql: Statements, letter_id: str) -> bool:
    return session.run(sql.delete_letters, [{"id": letter_id}]) > 0


def prune(session: Session, sql: Statements, *, now: int, limit: int) -> int:
    tasks = session.fetch(sql.lock_expired_tasks, now=now, limit=limit)
    if tasks:
        rows = [{"id": row[0]} for row in tasks]
        session.run(sql.delete_bodies, rows)
        session.run(sql.delete_specs, rows)
        session.run(sql.delete_tasks, rows)
    for _, status in tasks:
        session.moved(status, None)
    letters = session.fetch(sql.lock_expired_letters, now=now, limit=limit - len(tasks))
    if letters:
        session.run(sql.delete_letters, [{"id": row[0]} for row in letters])
    return len(tasks) + len(letters)


def fold(session: Session, sql: Statements) -> None:
    """Replace the lines of the ledger by their sums; lines that another process folds are left to it."""
    lines = session.fetch(sql.lock_counts, limit=FOLD_MOST)
    if len(lines) < FOLD_FROM:
        return
    sums: Counter[str] = Counter()
    for _, status, delta in lines:
        sums[status] += delta
    session.run(sql.delete_counts, [{"seq": line[0]} for line in lines])
    session.moves.update(sums)
