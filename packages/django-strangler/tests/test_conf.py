"""The setting STRANGLER."""

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from django_strangler.conf import options


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"SECRET": "x"}, "no key 'SECRET'"),
        ({"SECRETS": "x" * 40}, r"STRANGLER\['SECRETS'\] must be a list"),
        ({"SECRETS": ["short"]}, "shorter than 32 bytes"),
        ({"TOKEN_TTL": "60"}, r"STRANGLER\['TOKEN_TTL'\] must be of type int"),
        ({"TOKEN_TTL": 0}, r"STRANGLER\['TOKEN_TTL'\] must be above 0"),
        ({"CREATE_USERS": 1}, r"STRANGLER\['CREATE_USERS'\] must be of type bool"),
        ([], "must be a dictionary"),
    ],
)
def test_a_mistake_is_reported_with_its_key(value: Any, message: str) -> None:
    with override_settings(STRANGLER=value), pytest.raises(ImproperlyConfigured, match=message):
        options()


def test_secrets_are_not_in_the_text_of_the_options() -> None:
    assert "a-secret" not in repr(options())
