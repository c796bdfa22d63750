"""What came from the environment is shown in messages as it is written, `${NAME}`, because it may be secret.

A message is text, so the value has to be found in it again, and nothing else:
a variable whose value is `a` must not turn `migrations` into `migr${A}tions`.
In a message about the value itself it is what stands in quotes, or else the
last word that is the same. In a message about another place only what is
unmistakable is masked: a value of some length, as a word of its own, that is
neither written somewhere in the file nor a plain word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from strangler.config.text.document import Document
from strangler.config.text.environment import Substituted
from strangler.config.text.problems import Problem
from strangler.model.yaml_place import YamlPlace

UNMISTAKABLE = 6
"""Characters of a value that stands in a message about another place by no accident."""
SECRET_LIKE = 16
"""Characters of a value that is masked wherever it stands, also as a part of a word."""

_PATH = re.compile(r"[a-z_]+(\.[\w-]+|\[\d+\])*: ")
_PLAIN_WORD = re.compile(r"[a-z]+")


class Masking:
    """Masks the values of `document` that came from the environment."""

    def __init__(self, document: Document) -> None:
        self._values: list[tuple[YamlPlace, Substituted]] = []
        self._written: set[str] = set()
        below = [document.root]
        while below:
            value = below.pop()
            if isinstance(value.content, Substituted):
                self._values.append((value.source, value.content))
            elif isinstance(value.content, str):
                self._written.add(value.content)
            elif isinstance(value.content, dict):
                self._written.update(value.content)
            below += [child for _, child in value.children()]
        # Of two values that begin alike the longer one is looked for first.
        self._values.sort(key=lambda named: len(named[1]), reverse=True)

    def masked(self, problems: Iterable[Problem]) -> list[Problem]:
        """`problems` with what is written in place of what came from the environment."""
        return [
            replace(
                problem,
                message=self._text(problem.source, problem.message),
                hint=None if problem.hint is None else self._text(problem.source, problem.hint),
            )
            for problem in problems
        ]

    def _text(self, source: YamlPlace, text: str) -> str:
        for place, value in self._values:
            if not value or value not in text:
                continue
            if place == source:
                text = _masked_here(text, value)
            elif self._is_unmistakable(value):
                text = _masked_elsewhere(text, value)
        return text

    def _is_unmistakable(self, value: str) -> bool:
        if len(value) < UNMISTAKABLE or value in self._written:
            return False
        return len(value) >= SECRET_LIKE or _PLAIN_WORD.fullmatch(value) is None


def _masked_here(text: str, value: Substituted) -> str:
    """In a message about the value: it begins with the path to it, which is not the value."""
    path = _PATH.match(text)
    start = path.end() if path is not None else 0
    before, rest = text[:start], text[start:]
    quoted = [quote + value + quote for quote in "'\"`" if quote + value + quote in rest]
    if quoted:
        for part in quoted:
            rest = rest.replace(part, part[0] + value.written + part[0])
        return before + rest
    if len(value) >= SECRET_LIKE:
        return before + rest.replace(value, value.written)
    last = None
    for last in _as_word(value).finditer(rest):  # noqa: B007
        pass
    if last is None:
        return text
    return before + rest[: last.start()] + value.written + rest[last.end() :]


def _masked_elsewhere(text: str, value: Substituted) -> str:
    if len(value) >= SECRET_LIKE:
        return text.replace(value, value.written)
    return _as_word(value).sub(lambda match: value.written, text)


def _as_word(value: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w.-]){re.escape(value)}(?![\w-])")
