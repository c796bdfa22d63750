"""The outbox: what is to be announced to other services."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

# Only an INTEGER primary key counts by itself in SQLite.
counted = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "outbox",
        sa.Column("position", counted, primary_key=True, autoincrement=True),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("outbox_key", "outbox", ["key", "position"])


def downgrade() -> None:
    op.drop_table("outbox")
