"""Deadlines of tasks."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("taskrunner_tasks", sa.Column("deadline_ms", sa.BigInteger))
    condition = sa.text("deadline_ms IS NOT NULL AND due_ms IS NOT NULL")
    op.create_index(
        "taskrunner_tasks_deadline",
        "taskrunner_tasks",
        ["deadline_ms"],
        postgresql_where=condition,
        sqlite_where=condition,
    )
