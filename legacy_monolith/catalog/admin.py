"""Products in the admin."""

from django.contrib import admin

from catalog.models import Category, Product


@admin.register(Category)
class CategoryAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Shelves."""

    list_display = ("name", "slug")


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Prices and stock."""

    list_display = ("sku", "name", "category", "price", "stock")
    list_filter = ("category",)
    search_fields = ("sku", "name")
    list_editable = ("stock",)
    readonly_fields = ("created_at",)
