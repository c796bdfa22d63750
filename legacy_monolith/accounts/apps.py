"""The accounts app."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Tells Django about the app."""

    name = "accounts"
