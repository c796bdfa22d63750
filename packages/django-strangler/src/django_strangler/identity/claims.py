"""What a user's token says: a stable identity and scopes."""

from __future__ import annotations

import re
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ImproperlyConfigured

from django_strangler.conf import function, options

_VISIBLE = re.compile(r"[\x21-\x7e]{1,255}")


class NoIdentity(Exception):
    """The user has no usable identity; the text says why."""


def identity_of(user: AbstractBaseUser) -> str:
    """The identity by which both sides know `user`: what STRANGLER["IDENTITY_ID"] names.

    Never the primary key unless the setting says so: another side's database numbers its users differently.
    Raises NoIdentity, or ImproperlyConfigured where the setting is missing.
    """
    name = options().identity_id
    if not name:
        raise ImproperlyConfigured(
            "STRANGLER['IDENTITY_ID'] is missing: which attribute of a user do both sides share?"
        )
    value: Any = function(name, "IDENTITY_ID")(user) if "." in name else getattr(user, name)
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else _text(value)
    if not _VISIBLE.fullmatch(text):
        raise NoIdentity(f"the user {user.pk} has no {name} of 1 to 255 visible ASCII characters")
    return text


def _text(value: object) -> str:
    """A UUID and the like as text; nothing for None."""
    return "" if value is None else str(value)


def scopes_of(user: AbstractBaseUser) -> list[str]:
    """The scopes of `user`: the names of the groups, or what the function in STRANGLER["SCOPES"] returns.

    A name with a space or a letter beyond ASCII is no scope (RFC 6749 section 3.3) and is left out.
    """
    source = options().scopes
    if source == "groups":
        groups = getattr(user, "groups", None)
        names = sorted(groups.values_list("name", flat=True)) if groups is not None else []
    else:
        names = list(function(source, "SCOPES")(user))
    return [name for name in names if _VISIBLE.fullmatch(name)]
