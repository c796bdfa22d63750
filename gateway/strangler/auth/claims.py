"""Read claims of a verified token: by name, also in nested objects, and as text.

A claim that is `null` is absent: serializers write it for what they have no
value for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def claim(claims: Mapping[str, Any], name: str) -> Any:
    """The value of the claim `name`, None where it is absent.

    `name` may be dotted to reach into nested objects. A name that has dots
    itself (`https://shop.example/roles`, a client id in Keycloak's
    `resource_access`) goes before.
    """
    value = claims.get(name)
    if value is not None or "." not in name:
        return value
    for place, character in enumerate(name):
        if character == ".":
            inner = claims.get(name[:place])
            if isinstance(inner, Mapping):
                value = claim(inner, name[place + 1 :])
                if value is not None:
                    return value
    return None


def claim_text(claims: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """The values of a claim as text: one for a scalar, several for a list, none where it is absent."""
    value = claim(claims, name)
    values = value if isinstance(value, list) else [value]
    return tuple(_scalar_text(item) for item in values if isinstance(item, str | int | float | bool))


def _scalar_text(value: str | int | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
