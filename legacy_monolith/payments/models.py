"""Payments that were made."""

from django.db import models
from django.utils import timezone

from orders.models import Order
from shop.money import amount_text


class Payment(models.Model):
    """The money for one order; the database itself refuses a second payment of an order."""

    order = models.OneToOneField(Order, on_delete=models.PROTECT, related_name="payment")
    amount_cents = models.PositiveBigIntegerField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"Payment of {self.order}"

    @property
    def amount(self) -> str:
        """The amount as text."""
        return amount_text(self.amount_cents)
