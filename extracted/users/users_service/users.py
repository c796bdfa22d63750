"""A user, how the API shows one, and what a change of one's profile may be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

# Control characters, and halves of surrogate pairs, which no UTF-8 can carry.
UNCLEAN = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
MAX_FULL_NAME = 150
MAX_EMAIL = 254


@dataclass(frozen=True, slots=True)
class User:
    id: int
    name: str
    full_name: str
    email: str
    is_staff: bool
    is_active: bool
    created_at: datetime

    def shown(self) -> dict[str, object]:
        """As the API shows it; that an account is inactive is not shown."""
        return {
            "id": self.id,
            "subject": f"user-{self.id}",
            "name": self.name,
            "full_name": self.full_name,
            "email": self.email,
            "is_staff": self.is_staff,
            "created_at": self.created_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }


def read_change(values: dict[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """What is to be set, and what is wrong with which field. If anything is wrong, set nothing."""
    changes: dict[str, str] = {}
    problems: dict[str, str] = {}
    if "full_name" in values:
        full_name = values["full_name"]
        if isinstance(full_name, str) and is_text(full_name.strip(), 1, MAX_FULL_NAME):
            changes["full_name"] = full_name.strip()
        else:
            problems["full_name"] = "must be a text of 1 to 150 characters"
    if "email" in values:
        email = values["email"]
        if isinstance(email, str) and is_text(email, 1, MAX_EMAIL) and EMAIL.fullmatch(email):
            changes["email"] = email
        else:
            problems["email"] = "must be an e-mail address"
    for name in sorted(set(values) - {"full_name", "email"}):
        problems["?" if UNCLEAN.search(name) else name] = "cannot be set"
    return changes, problems


def is_text(text: str, shortest: int, longest: int) -> bool:
    """Whether it has that many characters, none of them unfit to be shown."""
    return shortest <= len(text) <= longest and not UNCLEAN.search(text)
