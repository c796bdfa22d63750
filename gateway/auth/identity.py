"""Who the caller is, once a token has been verified."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_VISIBLE = re.compile(r"[\x21-\x7e]+")
_VISIBLE_TEXT = re.compile(r"[\x20-\x7e]*")


class ClaimsRefused(ValueError):
    """Claims that can't become identity headers; the message says which and holds nothing of them."""


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


def identity_of(claims: Mapping[str, Any], issuer: str, expires_at: float) -> Identity:
    """The caller whom verified `claims` name.

    Only plain visible text becomes a header, so that no claim can end one and
    begin another. Raises ClaimsRefused.
    """
    subject = claims.get("sub")
    if subject is None:
        raise ClaimsRefused("The token has no claim sub.")
    if not isinstance(subject, str) or not _VISIBLE.fullmatch(subject):
        raise ClaimsRefused("The token's subject is not plain visible text.")
    scopes = claims.get("scope", claims.get("scp", ""))
    # Scopes are parted by spaces alone (RFC 6749 section 3.3); other white space is part of a bad name.
    names = [name for name in scopes.split(" ") if name] if isinstance(scopes, str) else scopes
    if not isinstance(names, list) or not all(isinstance(n, str) and _VISIBLE.fullmatch(n) for n in names):
        raise ClaimsRefused("The token's scopes are not a list of plain names.")
    if not _VISIBLE_TEXT.fullmatch(issuer):
        raise ClaimsRefused("The token's issuer is not plain visible text.")
    lines = f"X-Auth-Subject: {subject}\r\nX-Auth-Scopes: {' '.join(names)}\r\nX-Auth-Issuer: {issuer}\r\n"
    return Identity(subject, issuer, frozenset(names), claims, expires_at, lines.encode("ascii"))
