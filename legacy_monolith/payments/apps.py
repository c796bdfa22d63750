"""The payments app."""

from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    """Tells Django about the app."""

    name = "payments"
