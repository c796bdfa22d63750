"""The Django app: signals and checks."""

from __future__ import annotations

from django.apps import AppConfig
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.db.backends.signals import connection_created
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_save


class StranglerConfig(AppConfig):
    """Connects what the app watches. Nothing is patched here: see `guard.blocks`."""

    name = "django_strangler"
    label = "strangler"
    verbose_name = "strangler gateway"

    def ready(self) -> None:
        """Connect the signals and register the checks."""
        from django_strangler import checks  # noqa: F401
        from django_strangler.guard import database
        from django_strangler.identity import revocation

        user = get_user_model()
        user_logged_in.connect(revocation.on_login, dispatch_uid="strangler")
        user_logged_out.connect(revocation.on_logout, dispatch_uid="strangler")
        pre_save.connect(revocation.before_save, sender=user, dispatch_uid="strangler")
        post_save.connect(revocation.after_save, sender=user, dispatch_uid="strangler")
        post_delete.connect(revocation.after_delete, sender=user, dispatch_uid="strangler")
        if hasattr(user, "groups"):
            m2m_changed.connect(revocation.groups_changed, sender=user.groups.through, dispatch_uid="strangler")
        connection_created.connect(database.watch, dispatch_uid="strangler")
