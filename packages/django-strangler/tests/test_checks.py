"""`manage.py check` says what breaks behind a gateway."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.test import override_settings

from django_strangler.checks import GATEWAY_MIDDLEWARE, TOKEN_MIDDLEWARE, check_behind_a_gateway, check_options
from tests.settings import SHARED

GOOD = {"SECRETS": [SHARED], "IDENTITY_ID": "username"}
OTHER = "django.middleware.gzip.GZipMiddleware"
WITHOUT = settings.MIDDLEWARE[1:]


def found(**changed: Any) -> set[str]:
    """The ids of what is found with changed settings."""
    with override_settings(**changed):
        messages = [*check_options(), *check_behind_a_gateway()]
    assert all(message.hint or message.id == "strangler.E001" for message in messages)
    return {(message.id or "").removeprefix("strangler.") for message in messages}


def test_a_project_in_order_has_no_findings() -> None:
    names = {"SESSION_COOKIE_NAME": "monolith_sessionid", "CSRF_COOKIE_NAME": "monolith_csrftoken"}
    assert found(STRANGLER=GOOD, APPEND_SLASH=False, **names) == set()


@pytest.mark.parametrize(
    ("changed", "id_"),
    [
        ({"STRANGLER": {"SECRET": "x"}}, "E001"),
        ({"STRANGLER": {"IDENTITY_ID": "username"}}, "W002"),
        ({"STRANGLER": {"SECRETS": [SHARED]}}, "E003"),
        ({"STRANGLER": {**GOOD, "IDENTITY_ID": "pk"}}, "W004"),
        ({"STRANGLER": {**GOOD, "KEYS": "keys.json"}}, "E005"),
        ({"MIDDLEWARE": WITHOUT}, "E006"),
        ({"MIDDLEWARE": [OTHER, GATEWAY_MIDDLEWARE, *WITHOUT]}, "E007"),
        ({"MIDDLEWARE": [GATEWAY_MIDDLEWARE, TOKEN_MIDDLEWARE, *WITHOUT]}, "E008"),
        ({"ALLOWED_HOSTS": ["127.0.0.1"]}, "W010"),
        ({"SECURE_SSL_REDIRECT": True}, "E011"),
        ({"SESSION_COOKIE_SECURE": True}, "W012"),
        ({"SECURE_REFERRER_POLICY": "no-referrer"}, "W020"),
        ({"CSRF_TRUSTED_ORIGINS": ["shop.example"]}, "E021"),
        ({}, "W030"),
        ({}, "W031"),
        ({"SESSION_SAVE_EVERY_REQUEST": True}, "W032"),
        ({}, "W040"),
        ({"SITE_ID": 1}, "W041"),
        ({"USE_X_FORWARDED_HOST": True}, "W042"),
    ],
)
def test_a_setting_that_breaks_is_found(changed: dict[str, Any], id_: str) -> None:
    assert id_ in found(**changed)
    if changed:
        assert id_ not in found()


@pytest.mark.parametrize("first", ["django.middleware.security.SecurityMiddleware"])
def test_what_may_come_first_is_not_found(first: str) -> None:
    assert "E007" not in found(MIDDLEWARE=[first, GATEWAY_MIDDLEWARE, *WITHOUT])
