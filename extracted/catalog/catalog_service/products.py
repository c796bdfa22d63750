"""A product, and how the API shows one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Product:
    id: int
    sku: str
    name: str
    description: str
    category_slug: str
    category_name: str
    price_cents: int
    stock: int
    created_at: datetime

    def shown(self) -> dict[str, object]:
        return {
            "id": self.id,
            "sku": self.sku,
            "name": self.name,
            "description": self.description,
            "category": {"slug": self.category_slug, "name": self.category_name},
            "price": f"{self.price_cents // 100}.{self.price_cents % 100:02d}",
            "currency": "EUR",
            "stock": self.stock,
            "in_stock": self.stock > 0,
            "created_at": self.created_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
