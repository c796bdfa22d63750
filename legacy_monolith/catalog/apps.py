"""The catalog app."""

from django.apps import AppConfig


class CatalogConfig(AppConfig):
    """Tells Django about the app."""

    name = "catalog"
