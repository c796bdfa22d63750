"""Lists in text reports, with a maximum length; `--all` prints all items."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from rich.console import Console

Item = TypeVar("Item")


def listed(console: Console, items: Sequence[Item], most: int | None, what: str) -> Iterator[Item]:
    """Yield the first `most` of `items`, or all if that is None; then print how many are left out."""
    yield from items[:most]
    print_rest(console, len(items), most, what)


def print_rest(console: Console, count: int, most: int | None, what: str) -> None:
    """Print how many of `count` are left out, if any are."""
    if most is not None and count > most:
        console.print(f"… and {count - most:,} more {what}: --all prints them")
