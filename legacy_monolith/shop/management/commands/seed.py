"""`manage.py seed`: fill the database with the sample shop."""

import hashlib
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import get_hasher
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from accounts.models import User
from catalog.models import Category, Product
from orders.models import Order, OrderItem
from payments.models import Payment
from shop import sample_data


class Command(BaseCommand):
    """Adds the rows that are missing and leaves those that are there alone, however they changed."""

    help = "Fill the database with the sample shop. Running it again changes nothing."

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        """Add what is missing; CommandError outside of development."""
        if not settings.DEVELOPMENT:
            raise CommandError(
                "The sample users' passwords are public. Set SHOP_DEVELOPMENT=1 if that is fine."
            )
        self._seed_users()
        self._seed_catalog()
        self._seed_orders()
        self.stdout.write(
            f"{User.objects.count()} users, {Product.objects.count()} products, "
            f"{Order.objects.count()} orders"
        )

    def _seed_users(self) -> None:
        known = set(User.objects.values_list("pk", flat=True))
        User.objects.bulk_create(
            User(
                pk=row.id,
                username=row.name,
                full_name=row.full_name,
                email=f"{row.name}@shop.example",
                password=_password_hash(row.name),
                is_staff=row.is_staff,
                is_superuser=row.is_staff,
                is_active=row.is_active,
                date_joined=row.created_at,
            )
            for row in sample_data.users()
            if row.id not in known
        )

    def _seed_catalog(self) -> None:
        Category.objects.bulk_create(
            (
                Category(pk=number, slug=slug, name=name)
                for number, (slug, name, _) in enumerate(sample_data.SHELVES, start=1)
            ),
            ignore_conflicts=True,
        )
        Product.objects.bulk_create(
            (Product(**row._asdict()) for row in sample_data.products()), ignore_conflicts=True
        )

    def _seed_orders(self) -> None:
        known = set(Order.objects.values_list("pk", flat=True))
        products = {row.id: row for row in sample_data.products()}
        for row in sample_data.orders():
            if row.id in known:
                continue
            total = sum(products[product_id].price_cents * quantity for product_id, quantity in row.lines)
            paid_at = row.created_at + timedelta(minutes=3) if row.status == "paid" else None
            order = Order.objects.create(
                pk=row.id,
                user_id=row.user_id,
                status=row.status,
                total_cents=total,
                created_at=row.created_at,
                paid_at=paid_at,
            )
            OrderItem.objects.bulk_create(
                OrderItem(
                    order=order,
                    product_id=product_id,
                    sku=products[product_id].sku,
                    name=products[product_id].name,
                    quantity=quantity,
                    unit_price_cents=products[product_id].price_cents,
                )
                for product_id, quantity in row.lines
            )
            if paid_at is not None:
                Payment.objects.create(order=order, amount_cents=total, created_at=paid_at)


def _password_hash(name: str) -> str:
    if name not in sample_data.WITH_PASSWORD:
        return "!sample-user-without-password"
    # The salt is fixed so that two sample databases are equal; these passwords are no secrets.
    salt = hashlib.sha256(name.encode()).hexdigest()[:22]
    return get_hasher("default").encode(f"{name}-password", salt)
