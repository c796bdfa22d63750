"""What the shop stores."""

from django.db import models

from django_strangler.data.soft_keys import SoftForeignKey


class Delivery(models.Model):
    """A delivery to a customer whom another service knows."""

    customer = SoftForeignKey("user")

    def __str__(self) -> str:
        return f"to {self.customer}"


class Order(models.Model):
    """An order of a customer."""

    customer = models.CharField(max_length=100)
    sku = models.CharField(max_length=32)

    def __str__(self) -> str:
        return f"{self.sku} for {self.customer}"
