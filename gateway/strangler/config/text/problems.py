"""What is wrong with a configuration, for the person who wrote it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from strangler.model.yaml_place import YamlPlace


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, its place, and what was probably meant.

    `str()` gives `file:line:column: message (hint)`.
    """

    source: YamlPlace
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        text = f"{self.source}: {self.message}"
        return text if self.hint is None else f"{text} ({self.hint})"


class ConfigurationError(Exception):
    """A configuration that can't be used; `problems` holds all that was found, in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = in_order(problems)
        super().__init__("\n".join(map(str, self.problems)))


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """`problems` without repetitions, by file, line and column."""
    unique = dict.fromkeys(problems)
    return sorted(unique, key=lambda p: (p.source.file, p.source.line, p.source.column))


def closest(word: str, known: Iterable[str]) -> str | None:
    """The one of `known` that `word` is probably a misspelling of."""
    candidates: Sequence[str] = sorted(known)
    folded = {candidate.lower(): candidate for candidate in candidates}
    if word.lower() in folded:
        return folded[word.lower()]
    matches = difflib.get_close_matches(word.lower(), folded, n=1, cutoff=0.6)
    return folded[matches[0]] if matches else None


def suggestion(word: str, known: Iterable[str]) -> str | None:
    """A hint for a `word` that is none of `known`: the closest, or else the few there are."""
    names = sorted(known)
    match = closest(word, names)
    if match is not None:
        return f"did you mean '{match}'?"
    if 0 < len(names) <= 8:
        return "known: " + ", ".join(names)
    return None


def described(value: object) -> str:
    """What was written, as a person would call it."""
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    if value is None:
        return "nothing"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the text '{value}'"
    return "a list" if isinstance(value, list) else "a mapping"
