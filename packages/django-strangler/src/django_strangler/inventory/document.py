"""The inventory as the gateway imports it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import django
from django.conf import settings

from django_strangler.inventory.routes import Route, routes_of_project

FORMAT = "strangler-inventory/1"


def document() -> dict[str, Any]:
    """The inventory in JSON types; the same project gives the same document."""
    return {
        "format": FORMAT,
        "django": django.get_version(),
        "urls": settings.ROOT_URLCONF,
        "append_slash": bool(settings.APPEND_SLASH),
        "session_cookie": settings.SESSION_COOKIE_NAME,
        "csrf_cookie": settings.CSRF_COOKIE_NAME,
        "routes": [_entry(route) for route in routes_of_project()],
    }


def _entry(route: Route) -> dict[str, Any]:
    """The fields of `route` that say something."""
    return {name: value for name, value in asdict(route).items() if name in _ALWAYS or value}


_ALWAYS = frozenset({"route", "kind", "name", "view", "app", "methods"})
