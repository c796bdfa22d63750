"""A Django application that reports which view a request reached, on gunicorn as it comes.

gunicorn tests.attack.django_app:application
"""

from __future__ import annotations

from collections.abc import Callable

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path, re_path

settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="attack", USE_TZ=True, MIDDLEWARE=[])

View = Callable[..., HttpResponse]


def reporting(name: str) -> View:
    """A view that says that it was reached."""

    def view(request: HttpRequest, **captured: str) -> HttpResponse:
        return HttpResponse(headers={"X-Reached": name})

    return view


def by_query(request: HttpRequest) -> HttpResponse:
    """Shows more to `?admin=1`; Django takes the last value."""
    return HttpResponse(headers={"X-Reached": "query" if request.GET.get("admin") == "1" else "open"})


def by_header(request: HttpRequest) -> HttpResponse:
    """Shows more in a mode."""
    modes = [mode.strip() for mode in request.headers.get("X-Mode", "").split(",")]
    return HttpResponse(headers={"X-Reached": "mode" if "admin" in modes else "open"})


urlpatterns = [
    re_path(r"^secret$", reporting("secret")),
    path("admin/<path:rest>", reporting("admin")),
    path("q", by_query),
    path("m", by_header),
    re_path(r"", reporting("open")),
]
django.setup()
application = get_wsgi_application()
