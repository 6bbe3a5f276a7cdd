"""Schedules."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_BYTEWISE = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "taskrunner_schedules",
        sa.Column("name", _BYTEWISE, primary_key=True),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("next_ms", sa.BigInteger),
        sa.Column("body", sa.Text, nullable=False),
    )
    condition = sa.text("next_ms IS NOT NULL")
    op.create_index(
        "taskrunner_schedules_next",
        "taskrunner_schedules",
        ["next_ms"],
        postgresql_where=condition,
        sqlite_where=condition,
    )
