"""The work of regular expressions in terms of the text that they read: the same on every machine.

`test_steps` shows that each pattern reads a text once. This counts how often, and from where on, patterns are used.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest


class CountedSearches:
    """Counts in `characters` what patterns read: those of `modules`, and those compiled from now on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *modules: ModuleType) -> None:
        self.characters = 0
        for module in modules:
            for name, pattern in vars(module).items():
                if isinstance(pattern, re.Pattern):
                    monkeypatch.setattr(module, name, CountedPattern(pattern, self))
        compiled = re.compile
        monkeypatch.setattr(re, "compile", lambda *arguments: CountedPattern(compiled(*arguments), self))


class CountedPattern:
    """Does what `pattern` does; a search reads the text from where it begins to the end of its match."""

    def __init__(self, pattern: re.Pattern[Any], counted: CountedSearches) -> None:
        self.pattern = pattern
        self.counted = counted

    def __getattr__(self, name: str) -> Any:
        used = getattr(self.pattern, name)
        return self._counting(used) if callable(used) else used

    def _counting(self, used: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*arguments: Any) -> Any:
            *_, text = [one for one in arguments if isinstance(one, str)]
            begins = arguments[-1] if isinstance(arguments[-1], int) else 0
            result = used(*arguments)
            ends = len(text)
            if isinstance(result, re.Match):
                ends = result.end()
            elif result is None and used.__name__ in ("match", "fullmatch"):
                ends = begins
            self.counted.characters += 1 + ends - begins
            return result

        return counting
