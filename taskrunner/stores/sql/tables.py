"""The tables as the code uses them; the migrations make them, and a test compares the two.

Times are milliseconds since 1970, which both databases compare and index as plain integers. Ids sort by
their bytes. Encoded tasks and fetched bodies have tables of their own, so that a change of status copies a
small row.
"""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, Table, Text, text

metadata = MetaData()

# SQLite compares by bytes anyway; PostgreSQL by the locale unless a collation is given.
_BYTEWISE = Text().with_variant(Text(collation="C"), "postgresql")
_SEQUENCE = BigInteger().with_variant(Integer(), "sqlite")

tasks = Table(
    "taskrunner_tasks",
    metadata,
    Column("id", _BYTEWISE, primary_key=True),
    Column("namespace", Text),  # how the id begins, where only one API key and operators see it
    Column("status", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("attempt_limit", Integer, nullable=False),
    Column("max_attempts", Integer, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
    Column("due_ms", BigInteger),  # set exactly while the task is live
    Column("kept_until_ms", BigInteger),  # set exactly once it is terminal
    Column("deadline_ms", BigInteger),  # no attempt starts from then on
    Column("started_ms", BigInteger),  # these two describe the running attempt
    Column("consumer", Text),
    Column("error", Text),
    Column("reason", Text),
    Column("attempts", Text, nullable=False),  # the finished ones, a line of JSON each
    Column("result", Text),
    Column("idempotency_key", Text),
    Column("fingerprint", Text, nullable=False),
    Column("snoozes", Integer, nullable=False),
    Column("waits_for", Text),  # why the task was snoozed
    Column("progress", Text),  # what an attempt said last, in JSON
)

encoded_tasks = Table(
    "taskrunner_encoded_tasks",
    metadata,
    Column("id", _BYTEWISE, primary_key=True),
    Column("encoded", Text, nullable=False),
)

dedups = Table(
    "taskrunner_dedups",
    metadata,
    Column("dedup_key", _BYTEWISE, primary_key=True),
    Column("id", Text, nullable=False),
    Column("until_ms", BigInteger, nullable=False),
    Column("look_ms", BigInteger, nullable=False),  # when to see whether the key is still held
)

bodies = Table(
    "taskrunner_bodies",
    metadata,
    Column("id", _BYTEWISE, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

dead_messages = Table(
    "taskrunner_dead_messages",
    metadata,
    Column("id", _BYTEWISE, primary_key=True),
    Column("died_at_ms", BigInteger, nullable=False),
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
    Column("encoded", Text, nullable=False),
    Column("next_at_ms", BigInteger),  # the next slot, none while paused
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
    Column("encoded", Text, nullable=False),
    Column("until_ms", BigInteger, nullable=False),  # from then on the state is void
)

host_limits = Table(
    "taskrunner_host_limits",
    metadata,
    Column("pattern", _BYTEWISE, primary_key=True),
    Column("encoded", Text, nullable=False),
)

webhooks = Table(
    "taskrunner_webhooks",
    metadata,
    Column("name", _BYTEWISE, primary_key=True),
    Column("encoded", Text, nullable=False),
)

executors = Table(
    "taskrunner_executors",
    metadata,
    Column("name", _BYTEWISE, primary_key=True),
    Column("encoded", Text, nullable=False),
)

queues = Table(
    "taskrunner_queues",
    metadata,
    Column("name", _BYTEWISE, primary_key=True),
    Column("encoded", Text, nullable=False),
)

api_keys = Table(
    "taskrunner_api_keys",
    metadata,
    Column("name", _BYTEWISE, primary_key=True),
    Column("encoded", Text, nullable=False),
)

# Also of the keys of the configuration, which have no row above.
api_key_uses = Table(
    "taskrunner_api_key_uses",
    metadata,
    Column("name", _BYTEWISE, primary_key=True),
    Column("last_used_ms", BigInteger, nullable=False),
)

key_rates = Table(
    "taskrunner_key_rates",
    metadata,
    Column("name", _BYTEWISE, primary_key=True),
    Column("arrival_us", BigInteger, nullable=False),
)

console_sessions = Table(
    "taskrunner_console_sessions",
    metadata,
    Column("id", _BYTEWISE, primary_key=True),
    Column("encoded", Text, nullable=False),
    Column("last_used_ms", BigInteger),
)

audit = Table(
    "taskrunner_audit",
    metadata,
    Column("id", _BYTEWISE, primary_key=True),
    Column("encoded", Text, nullable=False),
)

# At most one row; while there is one, changes of status are logged. Before its start the log may lack some.
change_log = Table(
    "taskrunner_change_log",
    metadata,
    Column("name", _BYTEWISE, primary_key=True),
    Column("start_major", BigInteger, nullable=False),
    Column("start_minor", BigInteger, nullable=False),
    Column("until_ms", BigInteger, nullable=False),
    Column("secret", Text, nullable=False),
)

changes = Table(
    "taskrunner_changes",
    metadata,
    Column("minor", _SEQUENCE, primary_key=True, autoincrement=True),
    Column("major", BigInteger, nullable=False),  # see `change_store`
    Column("id", Text, nullable=False),
    Column("status", Text),  # none for a deleted task
    Column("at_ms", BigInteger, nullable=False),
)

change_cursors = Table(
    "taskrunner_change_cursors",
    metadata,
    Column("name", _BYTEWISE, primary_key=True),
    Column("encoded", Text, nullable=False),
)

operations = Table(
    "taskrunner_operations",
    metadata,
    Column("id", _BYTEWISE, primary_key=True),
    Column("version", Text, nullable=False),
    Column("encoded", Text, nullable=False),
    Column("ended_at_ms", BigInteger),  # none while it is live
    Column("namespace", Text),  # where only one API key and operators see it
)

worker_reports = Table(
    "taskrunner_worker_reports",
    metadata,
    Column("id", _BYTEWISE, primary_key=True),
    Column("until_ms", BigInteger, nullable=False),
    Column("encoded", Text, nullable=False),
)

figures = Table(
    "taskrunner_figures",
    metadata,
    Column("place", _BYTEWISE, primary_key=True),
    Column("until_ms", BigInteger, nullable=False),
    Column("encoded", Text, nullable=False),
)

# A ledger, see `counts`.
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
Index("taskrunner_tasks_status", tasks.c.status, tasks.c.created_at_ms, tasks.c.id)
# An API key that sees only its own tasks must not search among those of all.
_partial(
    "taskrunner_tasks_own",
    tasks.c.namespace,
    tasks.c.status,
    tasks.c.created_at_ms,
    tasks.c.id,
    where="namespace IS NOT NULL",
)
_partial(
    "taskrunner_tasks_own_dead",
    tasks.c.namespace,
    tasks.c.status,
    tasks.c.updated_ms,
    tasks.c.id,
    where="namespace IS NOT NULL AND status = 'failed'",
)
_partial("taskrunner_tasks_retention", tasks.c.kept_until_ms, where="kept_until_ms IS NOT NULL")
# With the status, which is always the same here: otherwise SQLite prefers the index above, and sorts.
_partial("taskrunner_tasks_dead", tasks.c.status, tasks.c.updated_ms, tasks.c.id, where="status = 'failed'")
_partial("taskrunner_tasks_key", tasks.c.idempotency_key, where="idempotency_key IS NOT NULL", unique=True)
Index("taskrunner_dedups_look", dedups.c.look_ms)
Index("taskrunner_dead_messages_died", dead_messages.c.died_at_ms, dead_messages.c.id)
Index("taskrunner_dead_messages_retention", dead_messages.c.kept_until_ms)
Index("taskrunner_changes_order", changes.c.major, changes.c.minor)
Index("taskrunner_operations_ended", operations.c.ended_at_ms)
_partial("taskrunner_operations_own", operations.c.namespace, operations.c.id, where="namespace IS NOT NULL")
Index("taskrunner_figures_until", figures.c.until_ms)
Index("taskrunner_hosts_until", hosts.c.until_ms, hosts.c.host)
_partial("taskrunner_schedules_next", schedules.c.next_at_ms, where="next_at_ms IS NOT NULL")
