"""Stock, and the reservations that hold some of it."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "stock",
        sa.Column("product_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("available", sa.BigInteger, nullable=False),
        sa.Column("reserved", sa.BigInteger, nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True),
        # The database itself refuses to sell what is not there, whatever the code does.
        sa.CheckConstraint("available >= 0", name="stock_available"),
        sa.CheckConstraint("reserved >= 0", name="stock_reserved"),
    )
    op.create_table(
        "reservations",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "reserved_items",
        sa.Column("key", sa.Text, sa.ForeignKey("reservations.key"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("product_id", sa.BigInteger, nullable=False),
        sa.Column("quantity", sa.Integer, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("reserved_items")
    op.drop_table("reservations")
    op.drop_table("stock")
