"""The Django app of the outbox and the tombstones."""

from __future__ import annotations

from django.apps import AppConfig


class DataConfig(AppConfig):
    """Two tables, and nothing that runs by itself."""

    name = "django_strangler.data"
    label = "strangler_data"
    verbose_name = "strangler data"
    default_auto_field = "django.db.models.BigAutoField"
