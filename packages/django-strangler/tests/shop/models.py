"""What the shop stores."""

from django.db import models


class Order(models.Model):
    """An order of a customer."""

    customer = models.CharField(max_length=100)
    sku = models.CharField(max_length=32)

    def __str__(self) -> str:
        return f"{self.sku} for {self.customer}"
