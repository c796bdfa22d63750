"""Events and snapshots, sagas, the read model, and what is remembered of the catalog."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# Only an INTEGER primary key counts by itself in SQLite.
counted = sa.BigInteger().with_variant(sa.Integer, "sqlite")
moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "events",
        sa.Column("position", counted, primary_key=True, autoincrement=True),
        sa.Column("stream", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("schema", sa.Integer, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.Column("recorded_at", moment, nullable=False),
        # Two that append to one stream at the same time: the second fails.
        sa.UniqueConstraint("stream", "version", name="events_version"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "snapshots",
        sa.Column("stream", sa.Text, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("schema", sa.Integer, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
    )
    op.create_table(
        "sagas",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_attempt_at", moment, nullable=True),
        sa.Column("deadline", moment, nullable=True),
        sa.Column("leased_until", moment, nullable=True),
        sa.Column("last_error", sa.Text, nullable=True),
        sa.Column("changed_at", moment, nullable=False),
    )
    op.create_index("sagas_next_attempt_at", "sagas", ["next_attempt_at"])
    op.create_table(
        "orders",
        sa.Column("number", counted, primary_key=True, autoincrement=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("total_cents", sa.BigInteger, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("paid_at", moment, nullable=True),
        sqlite_autoincrement=True,
    )
    op.create_index("orders_user_id", "orders", ["user_id", "number"])
    op.create_table(
        "order_items",
        sa.Column("number", sa.BigInteger, sa.ForeignKey("orders.number", ondelete="CASCADE"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("product_id", sa.BigInteger, nullable=False),
        sa.Column("sku", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("quantity", sa.Integer, nullable=False),
        sa.Column("unit_price_cents", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "known_products",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("sku", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("price_cents", sa.BigInteger, nullable=False),
        sa.Column("seen_at", moment, nullable=False),
    )


def downgrade() -> None:
    for table in ("known_products", "order_items", "orders", "sagas", "snapshots", "events"):
        op.drop_table(table)
