"""Orders and what is in them."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from catalog.models import Product
from shop.money import amount_text


class Order(models.Model):
    """What somebody bought. Its total is fixed when it is placed."""

    class Status(models.TextChoices):
        """Where an order stands."""

        PENDING = "pending"
        PAID = "paid"
        CANCELLED = "cancelled"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="orders")
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.PENDING)
    total_cents = models.PositiveBigIntegerField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    paid_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"Order {self.pk}"

    @property
    def total(self) -> str:
        """The total as text."""
        return amount_text(self.total_cents)


class OrderItem(models.Model):
    """One line of an order. Name and price stay what they were when it was placed."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="items")
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="+")
    sku = models.CharField(max_length=32)
    name = models.CharField(max_length=200)
    quantity = models.PositiveSmallIntegerField()
    unit_price_cents = models.PositiveIntegerField()

    class Meta:
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(fields=("order", "product"), name="a_product_once_in_an_order"),
        )

    def __str__(self) -> str:
        return f"{self.quantity} × {self.name}"

    @property
    def unit_price(self) -> str:
        """The price of one as text."""
        return amount_text(self.unit_price_cents)

    @property
    def line_total(self) -> str:
        """The price of all of the line as text."""
        return amount_text(self.unit_price_cents * self.quantity)
