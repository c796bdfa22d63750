"""Categories and products."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# Names are ordered by code point, which is how SQLite compares anyway.
by_code_point = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "categories",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("slug", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
    )
    op.create_index("categories_slug", "categories", ["slug"])
    op.create_table(
        "products",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("sku", sa.Text, nullable=False),
        sa.Column("name", by_code_point, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("category_id", sa.BigInteger, sa.ForeignKey("categories.id"), nullable=False),
        sa.Column("price_cents", sa.BigInteger, nullable=False),
        sa.Column("stock", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
    for column in ("category_id", "name", "price_cents", "created_at"):
        op.create_index(f"products_{column}", "products", [column, "id"])


def downgrade() -> None:
    op.drop_table("products")
    op.drop_table("categories")
