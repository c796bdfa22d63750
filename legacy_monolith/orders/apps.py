"""The orders app."""

from django.apps import AppConfig


class OrdersConfig(AppConfig):
    """Tells Django about the app."""

    name = "orders"
