"""Orders in the admin."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from orders.models import Order, OrderItem
from orders.placing import cancel_order


class OrderItemInline(admin.TabularInline):  # type: ignore[type-arg]
    """The lines of an order, to look at."""

    model = OrderItem
    can_delete = False
    extra = 0
    readonly_fields = ("product", "sku", "name", "quantity", "unit_price")
    fields = readonly_fields

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Lines come from customers alone."""
        return False


@admin.register(Order)
class OrderAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Orders change by actions, which keep the stock right, never by editing."""

    list_display = ("id", "user", "status", "total", "created_at", "paid_at")
    list_filter = ("status",)
    list_select_related = ("user",)
    readonly_fields = ("user", "status", "total", "created_at", "paid_at")
    exclude = ("total_cents",)
    inlines = (OrderItemInline,)
    actions = ("cancel",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Orders come from customers alone."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Orders are cancelled, not deleted."""
        return False

    @admin.action(description="Cancel pending orders and return their stock")
    def cancel(self, request: HttpRequest, queryset: "QuerySet[Order]") -> None:
        """Cancel those of the chosen orders that are pending."""
        cancelled = sum(cancel_order(order) for order in queryset)
        self.message_user(request, f"{cancelled} cancelled.", messages.SUCCESS)
