"""Entity tags (RFC 9110, section 8.8.3): made of the body, so that every machine makes the same."""

from __future__ import annotations

import hashlib
import re

MEMBER = re.compile(r'(?:W/)?("[^"]*")')


def entity_tag(body: bytes) -> str:
    """The strong tag of a body."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def is_listed(tag: str, if_none_match: str) -> bool:
    """Whether an `If-None-Match` value is `*` or names the tag, by weak comparison.

    What is no entity tag in the list is passed over. Our tags have no comma, so commas only separate.
    """
    if if_none_match.strip() == "*":
        return True
    members = (MEMBER.fullmatch(member.strip()) for member in if_none_match.split(","))
    return any(member is not None and member[1] == tag for member in members)
