"""What is paused."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_BYTEWISE = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "taskrunner_pauses",
        sa.Column("scope", _BYTEWISE, primary_key=True),
        sa.Column("since_ms", sa.BigInteger, nullable=False),
    )
