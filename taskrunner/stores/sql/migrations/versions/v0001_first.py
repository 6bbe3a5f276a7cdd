"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_BYTEWISE = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    _create_tables_of_tasks()
    _create_other_tables()
    _create_indices()
    if op.get_bind().dialect.name == "postgresql":
        _vacuum_early()


def _create_tables_of_tasks() -> None:
    op.create_table(
        "taskrunner_tasks",
        sa.Column("id", _BYTEWISE, primary_key=True),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("queue", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("attempt_limit", sa.Integer, nullable=False),
        sa.Column("max_attempts", sa.Integer, nullable=False),
        sa.Column("updated_ms", sa.BigInteger, nullable=False),
        sa.Column("due_ms", sa.BigInteger),
        sa.Column("kept_until_ms", sa.BigInteger),
        sa.Column("deadline_ms", sa.BigInteger),
        sa.Column("started_ms", sa.BigInteger),
        sa.Column("consumer", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("attempts", sa.Text, nullable=False),
        sa.Column("result", sa.Text),
        sa.Column("idempotency_key", sa.Text),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("snoozes", sa.Integer, nullable=False),
        sa.Column("waits_for", sa.Text),
    )
    op.create_table(
        "taskrunner_encoded_tasks",
        sa.Column("id", _BYTEWISE, primary_key=True),
        sa.Column("encoded", sa.Text, nullable=False),
    )
    op.create_table(
        "taskrunner_bodies",
        sa.Column("id", _BYTEWISE, primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "taskrunner_counts",
        sa.Column(
            "seq",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("delta", sa.BigInteger, nullable=False),
    )


def _create_other_tables() -> None:
    op.create_table(
        "taskrunner_dead_messages",
        sa.Column("id", _BYTEWISE, primary_key=True),
        sa.Column("died_at_ms", sa.BigInteger, nullable=False),
        sa.Column("kept_until_ms", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("queue", sa.Text),
        sa.Column("url", sa.Text),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("x_death", sa.Text),
        sa.Column("raw", sa.LargeBinary),
    )
    op.create_table(
        "taskrunner_schedules",
        sa.Column("name", _BYTEWISE, primary_key=True),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("encoded", sa.Text, nullable=False),
        sa.Column("next_at_ms", sa.BigInteger),
    )
    op.create_table(
        "taskrunner_pauses",
        sa.Column("scope", _BYTEWISE, primary_key=True),
        sa.Column("since_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "taskrunner_hosts",
        sa.Column("host", _BYTEWISE, primary_key=True),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("encoded", sa.Text, nullable=False),
        sa.Column("until_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "taskrunner_host_limits",
        sa.Column("pattern", _BYTEWISE, primary_key=True),
        sa.Column("encoded", sa.Text, nullable=False),
    )


def _create_indices() -> None:
    for index in (
        "INDEX taskrunner_tasks_status ON taskrunner_tasks (status, id)",
        "INDEX taskrunner_tasks_due ON taskrunner_tasks (due_ms) WHERE due_ms IS NOT NULL",
        "INDEX taskrunner_tasks_deadline ON taskrunner_tasks (deadline_ms)"
        " WHERE deadline_ms IS NOT NULL AND due_ms IS NOT NULL",
        "INDEX taskrunner_tasks_retention ON taskrunner_tasks (kept_until_ms)"
        " WHERE kept_until_ms IS NOT NULL",
        "INDEX taskrunner_tasks_dead ON taskrunner_tasks (updated_ms, id) WHERE status = 'failed'",
        "UNIQUE INDEX taskrunner_tasks_key ON taskrunner_tasks (idempotency_key)"
        " WHERE idempotency_key IS NOT NULL",
        "INDEX taskrunner_dead_messages_died ON taskrunner_dead_messages (died_at_ms, id)",
        "INDEX taskrunner_dead_messages_retention ON taskrunner_dead_messages (kept_until_ms)",
        "INDEX taskrunner_schedules_next ON taskrunner_schedules (next_at_ms) WHERE next_at_ms IS NOT NULL",
        "INDEX taskrunner_hosts_until ON taskrunner_hosts (until_ms)",
    ):
        op.execute(f"CREATE {index}")


def _vacuum_early() -> None:
    """Each task's row changes about four times: the default, a fifth of the table, leaves too much behind."""
    for table in ("taskrunner_tasks", "taskrunner_counts"):
        options = "autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000"
        op.execute(f"ALTER TABLE {table} SET ({options})")
