"""Payments in the admin."""

from django.contrib import admin
from django.http import HttpRequest

from payments.models import Payment


@admin.register(Payment)
class PaymentAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Payments, to look at."""

    list_display = ("id", "order", "amount", "created_at")
    readonly_fields = ("order", "amount", "created_at")
    exclude = ("amount_cents",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Payments come from customers alone."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """What was paid stays on record."""
        return False
