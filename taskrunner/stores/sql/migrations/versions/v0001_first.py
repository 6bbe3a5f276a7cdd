"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_BYTEWISE = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
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
        sa.Column("started_ms", sa.BigInteger),
        sa.Column("consumer", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("attempts", sa.Text, nullable=False),
        sa.Column("result", sa.Text),
        sa.Column("idempotency_key", sa.Text),
        sa.Column("fingerprint", sa.Text, nullable=False),
    )
    op.create_table(
        "taskrunner_specs",
        sa.Column("id", _BYTEWISE, primary_key=True),
        sa.Column("spec", sa.Text, nullable=False),
    )
    op.create_table(
        "taskrunner_bodies",
        sa.Column("id", _BYTEWISE, primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "taskrunner_letters",
        sa.Column("id", _BYTEWISE, primary_key=True),
        sa.Column("died_ms", sa.BigInteger, nullable=False),
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
    _create_indices()
    if op.get_bind().dialect.name == "postgresql":
        _vacuum_early()


def _create_indices() -> None:
    _partial("taskrunner_tasks_due", ["due_ms"], "due_ms IS NOT NULL")
    op.create_index("taskrunner_tasks_status", "taskrunner_tasks", ["status", "id"])
    _partial("taskrunner_tasks_expiry", ["kept_until_ms"], "kept_until_ms IS NOT NULL")
    _partial("taskrunner_tasks_dead", ["updated_ms", "id"], "status = 'failed'")
    _partial("taskrunner_tasks_key", ["idempotency_key"], "idempotency_key IS NOT NULL", unique=True)
    op.create_index("taskrunner_letters_died", "taskrunner_letters", ["died_ms", "id"])
    op.create_index("taskrunner_letters_expiry", "taskrunner_letters", ["kept_until_ms"])


def _partial(name: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    condition = sa.text(where)
    op.create_index(
        name, "taskrunner_tasks", columns, unique=unique, postgresql_where=condition, sqlite_where=condition
    )


def _vacuum_early() -> None:
    """Each task's row changes about four times: the default, a fifth of the table, leaves too much behind."""
    for table in ("taskrunner_tasks", "taskrunner_counts"):
        options = "autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000"
        op.execute(f"ALTER TABLE {table} SET ({options})")
