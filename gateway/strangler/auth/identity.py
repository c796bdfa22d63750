"""Who the caller is, once a token has been verified."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from strangler.auth.claims import claim
from strangler.model.auth import Provider
from strangler.model.identity_headers import ISSUER, SCOPES, SUBJECT

_VISIBLE = re.compile(r"[\x21-\x7e]+")
_VISIBLE_TEXT = re.compile(r"[\x20-\x7e]*")


class ClaimsRefused(ValueError):
    """Claims that can't become identity headers; the message names the claim and contains nothing of its value."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A verified caller.

    `expires_at` is in Unix seconds. `issuer` is None where the provider's tokens
    need not name theirs. `header_lines` are the identity headers as
    they go to the upstream, each ended by CRLF, made once when the token is
    verified rather than for every request.
    """

    subject: str
    issuer: str | None
    scopes: frozenset[str]
    claims: Mapping[str, Any]
    expires_at: float
    header_lines: bytes = b""
    provider: str = ""


def identity_of(claims: Mapping[str, Any], provider: Provider, expires_at: float) -> Identity:
    """The caller whom verified `claims` of a token of `provider` name.

    Only plain visible text becomes a header, so that no claim can end one and
    begin another. Raises ClaimsRefused.
    """
    subject = _subject(claims, provider.subject_claim)
    names = _scopes(claims, provider.scopes_claim)
    lines = f"{SUBJECT}: {subject}\r\n{SCOPES}: {' '.join(names)}\r\n"
    issuer = provider.issuer
    if issuer is not None:
        if not _VISIBLE_TEXT.fullmatch(issuer):
            raise ClaimsRefused("The token's issuer is not plain visible text.")
        lines += f"{ISSUER}: {issuer}\r\n"
    return Identity(subject, issuer, frozenset(names), claims, expires_at, lines.encode("ascii"), provider.name)


def _subject(claims: Mapping[str, Any], name: str) -> str:
    subject = claim(claims, name)
    if subject is None:
        raise ClaimsRefused(f"The token has no claim {name}.")
    if isinstance(subject, int) and not isinstance(subject, bool):
        # A key of a database, as Django's issuers write it.
        return str(subject)
    if not isinstance(subject, str) or not _VISIBLE.fullmatch(subject):
        raise ClaimsRefused("The token's subject is not plain visible text.")
    return subject


def _scopes(claims: Mapping[str, Any], places: tuple[str, ...]) -> list[str]:
    """The scopes in all `places`, each once: a text with spaces between them, or a list with one an item.

    Roles and groups may have names that are no scopes, with spaces or letters
    beyond ASCII. Such an item is left out as a whole: its words are not scopes
    that the issuer granted.
    """
    names: dict[str, None] = {}
    for place in places:
        value = claim(claims, place)
        if value is None:
            continue
        # Scopes are parted by spaces alone (RFC 6749 section 3.3); other white space is part of a bad name.
        items = [item for item in value.split(" ") if item] if isinstance(value, str) else value
        if not isinstance(items, list) or not all(isinstance(item, str) and item.isprintable() for item in items):
            raise ClaimsRefused("The token's scopes are not a list of plain names.")
        for item in items:
            if _VISIBLE.fullmatch(item):
                names[item] = None
            elif isinstance(value, str):
                raise ClaimsRefused("The token's scopes are not a list of plain names.")
    return list(names)
