"""The tables as the code uses them; the migrations make them, and a test compares the two.

Times are milliseconds since 1970, which both databases compare and index as plain integers. Ids sort by
their bytes. What grows (a task's request, a fetched body) stands apart, so that a change of status copies
a small row.
"""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, Table, Text, text

metadata = MetaData()

# SQLite compares by bytes anyway; PostgreSQL goes by the locale unless told.
_BYTEWISE = Text().with_variant(Text(collation="C"), "postgresql")
_SEQUENCE = BigInteger().with_variant(Integer(), "sqlite")

tasks = Table(
    "taskrunner_tasks",
    metadata,
    Column("id", _BYTEWISE, primary_key=True),
    Column("status", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("attempt_limit", Integer, nullable=False),
    Column("max_attempts", Integer, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
    Column("due_ms", BigInteger),  # set exactly while the task is not terminal
    Column("kept_until_ms", BigInteger),  # set exactly while it is
    Column("started_ms", BigInteger),  # these two tell of the attempt that runs
    Column("consumer", Text),
    Column("error", Text),
    Column("reason", Text),
    Column("attempts", Text, nullable=False),  # the finished ones, a line of JSON each
    Column("result", Text),
    Column("idempotency_key", Text),
    Column("fingerprint", Text, nullable=False),
    Column("deadline_ms", BigInteger),  # no attempt starts from then on
    Column("snoozes", Integer),  # none is 0
    Column("why", Text),  # it was snoozed
)

specs = Table(
    "taskrunner_specs",
    metadata,
    Column("id", _BYTEWISE, primary_key=True),
    Column("spec", Text, nullable=False),
)

bodies = Table(
    "taskrunner_bodies",
    metadata,
    Column("id", _BYTEWISE, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

letters = Table(
    "taskrunner_letters",
    metadata,
    Column("id", _BYTEWISE, primary_key=True),
    Column("died_ms", BigInteger, nullable=False),
    Column("kept_until_ms", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("error", Text),
    Column("queue", Text),
    Column("url", Text),
    Column("attempt", Integer, nullable=False),
    Column("x_death", Text),
    Column("raw", LargeBinary),
)

schedules = Table(
    "taskrunner_schedules",
    metadata,
    Column("name", _BYTEWISE, primary_key=True),
    Column("version", Text, nullable=False),
    Column("next_ms", BigInteger),  # the next slot, none while paused
    Column("body", Text, nullable=False),
)

pauses = Table(
    "taskrunner_pauses",
    metadata,
    Column("scope", _BYTEWISE, primary_key=True),
    Column("since_ms", BigInteger, nullable=False),
)

hosts = Table(
    "taskrunner_hosts",
    metadata,
    Column("host", _BYTEWISE, primary_key=True),
    Column("version", Text, nullable=False),
    Column("until_ms", BigInteger, nullable=False),  # from then on the state means nothing
    Column("state", Text, nullable=False),
)

host_limits = Table(
    "taskrunner_host_limits",
    metadata,
    Column("pattern", _BYTEWISE, primary_key=True),
    Column("body", Text, nullable=False),
)

# A ledger: each transaction adds lines with what it changed, `fold` sums them up. Nobody waits for a row.
counts = Table(
    "taskrunner_counts",
    metadata,
    Column("seq", _SEQUENCE, primary_key=True, autoincrement=True),
    Column("status", Text, nullable=False),
    Column("delta", BigInteger, nullable=False),
)


def _partial(name: str, *columns: "Column[object]", where: str, unique: bool = False) -> Index:
    condition = text(where)
    return Index(name, *columns, unique=unique, postgresql_where=condition, sqlite_where=condition)


_partial("taskrunner_tasks_due", tasks.c.due_ms, where="due_ms IS NOT NULL")
_partial(
    "taskrunner_tasks_deadline", tasks.c.deadline_ms, where="deadline_ms IS NOT NULL AND due_ms IS NOT NULL"
)
Index("taskrunner_tasks_status", tasks.c.status, tasks.c.id)
_partial("taskrunner_tasks_expiry", tasks.c.kept_until_ms, where="kept_until_ms IS NOT NULL")
_partial("taskrunner_tasks_dead", tasks.c.updated_ms, tasks.c.id, where="status = 'failed'")
_partial("taskrunner_tasks_key", tasks.c.idempotency_key, where="idempotency_key IS NOT NULL", unique=True)
Index("taskrunner_letters_died", letters.c.died_ms, letters.c.id)
Index("taskrunner_letters_expiry", letters.c.kept_until_ms)
Index("taskrunner_hosts_until", hosts.c.until_ms)
_partial("taskrunner_schedules_next", schedules.c.next_ms, where="next_ms IS NOT NULL")
