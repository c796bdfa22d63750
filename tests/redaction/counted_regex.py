"""Regular expressions as Python's engine runs them, by backtracking, with each step counted.

The engine doesn't say how much it does, and time says it badly on a busy
machine. This runs the same parsed patterns, and is compared with the engine.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from re import _constants as ops  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

Groups = dict[int, tuple[int, int]]
Next = Callable[[int, Groups], int | None]
"""Goes on from a place; where the match ends, or None."""

_SINGLE = (ops.LITERAL, ops.NOT_LITERAL, ops.IN, ops.ANY)


class CountedRegex:
    """Searches as `pattern` does; `steps` counts characters that were looked at and items that were tried."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self.items = list(_parser.parse(pattern.pattern, pattern.flags))
        self.dot_all = bool(pattern.flags & re.S)
        self.fold = bool(pattern.flags & re.I)
        self.steps = 0
        self.text = ""
        self._branches: dict[int, dict[int, list[list[Any]]]] = {}
        only = self.items[0] if len(self.items) == 1 else None
        self._firsts = self._by_literal(only[1]) if only is not None and only[0] is ops.BRANCH and not self.fold else {}

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where matches are, as `finditer` finds them."""
        self.text, at, found = text, 0, []
        while at <= len(text):
            if self._firsts and (at == len(text) or ord(text[at]) not in self._firsts):
                # The engine skips what no alternative begins with.
                self.steps, at = self.steps + 1, at + 1
                continue
            end = self._sequence(self.items, 0, at, {}, lambda end, _: end)
            if end is not None:
                found.append((at, end))
            at = at + 1 if end is None or end == at else end
        return found

    def begins(self, text: str) -> bool:
        """Whether `text` begins with a match."""
        self.text = text
        return self._sequence(self.items, 0, 0, {}, lambda end, _: end) is not None

    def _by_literal(self, argument: Any) -> dict[int, list[list[Any]]]:
        """Alternatives by the literals that they begin with; nothing where one begins otherwise."""
        known = self._branches.get(id(argument))
        if known is None:
            known = {}
            branches = [list(branch) for branch in argument[1]]
            if all(branch and branch[0][0] is ops.LITERAL for branch in branches):
                for branch in branches:
                    known.setdefault(branch[0][1], []).append(branch)
            self._branches[id(argument)] = known
        return known

    def _sequence(self, items: list[Any], number: int, at: int, groups: Groups, then: Next) -> int | None:
        while number < len(items):
            op, argument = items[number]
            if op not in _SINGLE:
                return self._item(op, argument, at, groups, partial(self._rest, items, number + 1, then))
            if not self._character(op, argument, at):
                return None
            at, number = at + 1, number + 1
        return then(at, groups)

    def _rest(self, items: list[Any], number: int, then: Next, at: int, groups: Groups) -> int | None:
        return self._sequence(items, number, at, groups, then)

    def _item(self, op: Any, argument: Any, at: int, groups: Groups, then: Next) -> int | None:
        self.steps += 1
        if op is ops.BRANCH:
            by_literal = {} if self.fold else self._by_literal(argument)
            character = ord(self.text[at]) if at < len(self.text) else -1
            for branch in by_literal.get(character, ()) if by_literal else argument[1]:
                end = self._sequence(list(branch), 0, at, groups, then)
                if end is not None:
                    return end
            return None
        if op is ops.SUBPATTERN:
            group, _, _, inner = argument
            return self._sequence(
                list(inner), 0, at, groups, lambda end, now: then(end, {**now, group: (at, end)} if group else now)
            )
        if op in (ops.MAX_REPEAT, ops.MIN_REPEAT, ops.POSSESSIVE_REPEAT):
            return self._repeat(op, argument, at, groups, then)
        if op is ops.ATOMIC_GROUP:
            end = self._sequence(list(argument), 0, at, groups, lambda end, _: end)
            return None if end is None else then(end, groups)
        if op in (ops.ASSERT, ops.ASSERT_NOT):
            start = at - argument[1].getwidth()[0] if argument[0] < 0 else at
            holds = start >= 0 and self._sequence(list(argument[1]), 0, start, groups, lambda end, _: end) is not None
            return then(at, groups) if holds is (op is ops.ASSERT) else None
        if op is ops.GROUPREF:
            begins, ends = groups[argument]
            same = self.text.startswith(self.text[begins:ends], at)
            return then(at + ends - begins, groups) if same else None
        assert op is ops.AT, op
        return then(at, groups) if self._holds(argument, at) else None

    def _repeat(self, op: Any, argument: Any, at: int, groups: Groups, then: Next) -> int | None:
        least, most, inner = argument
        items = list(inner)
        single = len(items) == 1 and items[0][0] in _SINGLE
        ends, now = [at], at
        if op is ops.MIN_REPEAT:
            assert single, "all that are here are of single characters"
            while True:
                if len(ends) > least and (end := then(now, groups)) is not None:
                    return end
                if len(ends) > most or not self._character(*items[0], now):
                    return None
                now += 1
                ends.append(now)
        while len(ends) <= most:
            self.steps += 1
            following = (
                (now + 1 if self._character(*items[0], now) else None)
                if single
                else self._sequence(items, 0, now, groups, lambda end, _: end)
            )
            if following is None or following == now:
                break
            now = following
            ends.append(now)
        if op is ops.POSSESSIVE_REPEAT:
            return then(now, groups) if len(ends) > least else None
        # Items of more than one character match in one way alone here, or the comparison with the engine tells.
        for count in range(len(ends) - 1, least - 1, -1):
            self.steps += 1
            end = then(ends[count], groups)
            if end is not None:
                return end
        return None

    def _character(self, op: Any, argument: Any, at: int) -> bool:
        self.steps += 1
        if at >= len(self.text):
            return False
        character = self.text[at]
        if op is ops.ANY:
            return self.dot_all or character != "\n"
        forms = {ord(character), ord(character.lower()), ord(character.upper())} if self.fold else {ord(character)}
        if op is ops.LITERAL:
            return argument in forms
        if op is ops.NOT_LITERAL:
            return argument not in forms
        negated = argument[0][0] is ops.NEGATE
        return any(self._in(*one, character, forms) for one in argument[negated:]) is not negated

    def _in(self, op: Any, argument: Any, character: str, forms: set[int]) -> bool:
        if op is ops.LITERAL:
            return argument in forms
        if op is ops.RANGE:
            return any(argument[0] <= form <= argument[1] for form in forms)
        word = character.isalnum() or character == "_"
        return {
            ops.CATEGORY_SPACE: character.isspace(),
            ops.CATEGORY_NOT_SPACE: not character.isspace(),
            ops.CATEGORY_WORD: word,
            ops.CATEGORY_NOT_WORD: not word,
            ops.CATEGORY_DIGIT: character.isdecimal(),
            ops.CATEGORY_NOT_DIGIT: not character.isdecimal(),
        }[argument]

    def _holds(self, where: Any, at: int) -> bool:
        if where is ops.AT_BEGINNING_STRING:
            return at == 0
        if where is ops.AT_BEGINNING:
            return at == 0
        if where is ops.AT_END_STRING:
            return at == len(self.text)
        if where is ops.AT_END:
            return at == len(self.text) or self.text[at:] == "\n"
        assert where is ops.AT_BOUNDARY, where
        sides = [
            0 <= place < len(self.text) and (self.text[place].isalnum() or self.text[place] == "_")
            for place in (at - 1, at)
        ]
        return sides[0] is not sides[1]
