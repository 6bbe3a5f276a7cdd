"""What is known of hosts, and why tasks were snoozed."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_BYTEWISE = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("taskrunner_tasks", sa.Column("snoozes", sa.Integer))
    op.add_column("taskrunner_tasks", sa.Column("why", sa.Text))
    op.create_table(
        "taskrunner_hosts",
        sa.Column("host", _BYTEWISE, primary_key=True),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("until_ms", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
    )
    op.create_index("taskrunner_hosts_until", "taskrunner_hosts", ["until_ms"])
    op.create_table(
        "taskrunner_host_limits",
        sa.Column("pattern", _BYTEWISE, primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
    )
