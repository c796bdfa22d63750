"""What the comparison of a migration's answers looks at and what it lets pass, compiled once and immutable."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rules:
    """How two answers are compared."""


DEFAULT_RULES = Rules()
"""What is used where the configuration says nothing."""
