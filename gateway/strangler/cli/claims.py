"""Claims as they are written on a command line: `sub=user-17`, `roles=["admin","staff"]`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson


def parse_claims(written: Sequence[str]) -> dict[str, Any]:
    """The claims of `NAME=VALUE` texts; a value in brackets or braces is JSON, any other is text.

    Raises ValueError with a message for a person.
    """
    claims: dict[str, Any] = {}
    for text in written:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ValueError(f"--claim {text!r} is not NAME=VALUE")
        if value[:1] in ("[", "{"):
            try:
                claims[name] = orjson.loads(value)
            except orjson.JSONDecodeError as error:
                raise ValueError(f"--claim {name}: the value is not JSON: {error}") from error
        else:
            claims[name] = value
    return claims
