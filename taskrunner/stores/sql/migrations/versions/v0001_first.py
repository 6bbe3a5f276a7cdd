"""The first schema."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# The type of a column, and whether it may be NULL.
_TEXT, _TEXT_OR_NULL = (sa.Text, False), (sa.Text, True)
_INT = (sa.Integer, False)
_BIG, _BIG_OR_NULL = (sa.BigInteger, False), (sa.BigInteger, True)
_BYTES, _BYTES_OR_NULL = (sa.LargeBinary, False), (sa.LargeBinary, True)


def upgrade() -> None:
    _create_tables()
    _create_indices()
    if op.get_bind().dialect.name == "postgresql":
        _vacuum_early()


def _create_tables() -> None:
    _table(
        "tasks",
        "id",
        (_TEXT, "status queue attempts fingerprint"),
        (_TEXT_OR_NULL, "namespace consumer error reason result waits_for progress idempotency_key"),
        (_INT, "attempt attempt_limit max_attempts snoozes"),
        (_BIG, "created_at_ms updated_ms"),
        (_BIG_OR_NULL, "due_ms kept_until_ms deadline_ms started_ms"),
    )
    _table("encoded_tasks", "id", (_TEXT, "encoded"))
    _table("dedups", "dedup_key", (_TEXT, "id"), (_BIG, "until_ms look_ms"))
    _table("bodies", "id", (_BYTES, "body"))
    _table(
        "dead_messages",
        "id",
        (_BIG, "died_at_ms kept_until_ms"),
        (_TEXT, "reason"),
        (_TEXT_OR_NULL, "error queue url x_death"),
        (_INT, "attempt"),
        (_BYTES_OR_NULL, "raw"),
    )
    _table("schedules", "name", (_TEXT, "version encoded"), (_BIG_OR_NULL, "next_at_ms"))
    _table("pauses", "scope", (_BIG, "since_ms"))
    _table("hosts", "host", (_TEXT, "version encoded"), (_BIG, "until_ms"))
    _table("host_limits", "pattern", (_TEXT, "encoded"))
    _table("webhooks", "name", (_TEXT, "encoded"))
    _table("executors", "name", (_TEXT, "encoded"))
    _table("queues", "name", (_TEXT, "encoded"))
    _table("api_keys", "name", (_TEXT, "encoded"))
    _table("api_key_uses", "name", (_BIG, "last_used_ms"))
    _table("key_rates", "name", (_BIG, "arrival_us"))
    _table("console_sessions", "id", (_TEXT, "encoded"), (_BIG_OR_NULL, "last_used_ms"))
    _table("audit", "id", (_TEXT, "encoded"))
    _table("change_log", "name", (_BIG, "start_major start_minor until_ms"), (_TEXT, "secret"))
    _table(
        "operations",
        "id",
        (_TEXT, "version encoded"),
        (_BIG_OR_NULL, "ended_at_ms"),
        (_TEXT_OR_NULL, "namespace"),
    )
    _table("change_cursors", "name", (_TEXT, "encoded"))
    _table("worker_reports", "id", (_BIG, "until_ms"), (_TEXT, "encoded"))
    _table("figures", "place", (_BIG, "until_ms"), (_TEXT, "encoded"))
    sequence = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "taskrunner_counts",
        sa.Column("seq", sequence, primary_key=True, autoincrement=True),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("delta", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "taskrunner_changes",
        sa.Column("minor", sequence, primary_key=True, autoincrement=True),
        sa.Column("major", sa.BigInteger, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("status", sa.Text),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
    )


def _table(name: str, key: str, *columns: tuple[tuple[Any, bool], str]) -> None:
    """A table whose key sorts by its bytes."""
    bytewise = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    others = (
        sa.Column(each, kind, nullable=null) for (kind, null), names in columns for each in names.split()
    )
    op.create_table(f"taskrunner_{name}", sa.Column(key, bytewise, primary_key=True), *others)


def _create_indices() -> None:
    for index in (
        "INDEX taskrunner_tasks_status ON taskrunner_tasks (status, created_at_ms, id)",
        "INDEX taskrunner_tasks_due ON taskrunner_tasks (due_ms) WHERE due_ms IS NOT NULL",
        "INDEX taskrunner_tasks_deadline ON taskrunner_tasks (deadline_ms)"
        " WHERE deadline_ms IS NOT NULL AND due_ms IS NOT NULL",
        "INDEX taskrunner_tasks_own ON taskrunner_tasks (namespace, status, created_at_ms, id)"
        " WHERE namespace IS NOT NULL",
        "INDEX taskrunner_tasks_own_dead ON taskrunner_tasks (namespace, status, updated_ms, id)"
        " WHERE namespace IS NOT NULL AND status = 'failed'",
        "INDEX taskrunner_tasks_retention ON taskrunner_tasks (kept_until_ms)"
        " WHERE kept_until_ms IS NOT NULL",
        "INDEX taskrunner_tasks_dead ON taskrunner_tasks (status, updated_ms, id) WHERE status = 'failed'",
        "UNIQUE INDEX taskrunner_tasks_key ON taskrunner_tasks (idempotency_key)"
        " WHERE idempotency_key IS NOT NULL",
        "INDEX taskrunner_dedups_look ON taskrunner_dedups (look_ms)",
        "INDEX taskrunner_dead_messages_died ON taskrunner_dead_messages (died_at_ms, id)",
        "INDEX taskrunner_dead_messages_retention ON taskrunner_dead_messages (kept_until_ms)",
        "INDEX taskrunner_schedules_next ON taskrunner_schedules (next_at_ms) WHERE next_at_ms IS NOT NULL",
        "INDEX taskrunner_changes_order ON taskrunner_changes (major, minor)",
        "INDEX taskrunner_operations_ended ON taskrunner_operations (ended_at_ms)",
        "INDEX taskrunner_operations_own ON taskrunner_operations (namespace, id)"
        " WHERE namespace IS NOT NULL",
        "INDEX taskrunner_figures_until ON taskrunner_figures (until_ms)",
        "INDEX taskrunner_hosts_until ON taskrunner_hosts (until_ms, host)",
    ):
        op.execute(f"CREATE {index}")


def _vacuum_early() -> None:
    """Each task's row changes about four times: the default, a fifth of the table, leaves too much behind."""
    for table in ("taskrunner_tasks", "taskrunner_counts"):
        options = "autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000"
        op.execute(f"ALTER TABLE {table} SET ({options})")
