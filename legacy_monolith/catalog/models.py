"""Products, their categories and their stock."""

from django.core.validators import MinValueValidator
from django.db import models
from django.utils import timezone

from shop.money import amount_text


class Category(models.Model):
    """A shelf of the shop."""

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=100)

    class Meta:
        ordering = ("name",)
        verbose_name_plural = "categories"

    def __str__(self) -> str:
        return self.name


class Product(models.Model):
    """A thing for sale. The database itself refuses a negative stock."""

    sku = models.CharField(max_length=32, unique=True)
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    category = models.ForeignKey(Category, on_delete=models.PROTECT, related_name="products")
    price_cents = models.PositiveIntegerField(validators=[MinValueValidator(1)])
    stock = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ("id",)
        indexes = (models.Index(fields=("price_cents",)), models.Index(fields=("name",)))
        constraints = (
            models.CheckConstraint(condition=models.Q(stock__gte=0), name="stock_is_never_negative"),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def price(self) -> str:
        """The price as text."""
        return amount_text(self.price_cents)
