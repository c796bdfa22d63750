"""Who the caller is, once a token has been verified."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Identity:
    """A verified caller.

    `expires_at` is in Unix seconds. `header_lines` are the identity headers as
    they go to the upstream, each ended by CRLF, made once when the token is
    verified rather than for every request.
    """

    subject: str
    issuer: str
    scopes: frozenset[str]
    claims: Mapping[str, Any]
    expires_at: float
    header_lines: bytes = b""
