"""The rules that would allow the learned noise, as YAML for a person to accept."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import yaml

from strangler.comparison.difference import DifferenceKind
from strangler.config.schema.json_schema import spell_duration
from strangler.shadow.noise.judgement import Judgement
from strangler.shadow.noise.noise import Noise
from strangler.shadow.noise.operation import Operation
from strangler.shadow.noise.place import Place
from strangler.shadow.noise.statistics import wilson
from strangler.shadow.noise.value_forms import LONGEST, NUMBER, TEXT, TIME, UUID
from strangler.shadow.noise.values import SeenForm


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A rule for a place, as it would be written, and the reasons for it.

    `because` has a line for each operation at which the difference is noise, and
    one for each at which it isn't, so that the rule would hide a difference.
    """

    rule: dict[str, Any]
    because: tuple[str, ...]


Seen = tuple[str, Operation, Place, Judgement]
"""The name of an operation, its counts, one of its places, and the judgement of that place."""


def suggestions(noise: Noise) -> list[Suggestion]:
    """Return rules for each path that is noise at an operation: for its values, its order, and other differences.

    No rule allows more than legacy showed, such as values of other forms, or
    farther apart. Paths for which there is no such rule (statuses, bodies of
    bytes, truncated texts, values of several types) are left out.
    """
    seen_at: dict[str, list[Seen]] = {}
    for name, operation in noise.operations.items():
        for signature, place in operation.places.items():
            seen_at.setdefault(place.place, []).append((name, operation, place, noise.judgement(name, signature)))
    suggested = []
    for where, seen in sorted(seen_at.items()):
        target = _target(where)
        if target is None:
            continue
        for treatment, noisy in _treatments([item for item in seen if item[3] is Judgement.NOISE]):
            kinds = {item[2].kind for item in noisy}
            rule = {"name": f"noise at {where}", **target, **treatment}
            warnings = _warnings([item for item in seen if item[2].kind in kinds])
            suggested.append(Suggestion(rule, (*_because(noisy), *_wide(treatment), *warnings)))
    return suggested


def as_yaml(suggested: Iterable[Suggestion]) -> str:
    """Return a `compare:` section with the suggested rules, each below its reasons; empty if there are none."""
    blocks = []
    for suggestion in suggested:
        rule = yaml.safe_dump([suggestion.rule], sort_keys=False, allow_unicode=True, width=110)
        reasons = [f"    # {reason}" for reason in suggestion.because]
        blocks.append("\n".join([*reasons, *(f"    {line}" for line in rule.splitlines())]))
    return "compare:\n  rules:\n" + "\n".join(blocks) + "\n" if blocks else ""


def _target(where: str) -> dict[str, str] | None:
    """Return the part of a rule that selects a place."""
    kind, _, name = where.partition(":")
    if where.startswith("$"):
        return {"json": where}
    if kind == "header":
        return {"header": name}
    if kind == "cookie":
        cookie, at, attribute = name.partition("@")
        return {"cookie": f"{cookie} @{attribute}" if at else cookie}
    if where.startswith("/"):
        *elements, last = where.strip("/").split("/")
        if not last.startswith("@") and last != "text()":
            elements, last = [*elements, last], ""
        return {"html": f"{' > '.join(elements)} {last}".strip()}
    return None


def _treatments(noisy: list[Seen]) -> Iterable[tuple[dict[str, Any], list[Seen]]]:
    """Return the treatments for the noise at a path, each with its purpose."""
    values = [item for item in noisy if item[2].of_values]
    order = [item for item in noisy if item[2].kind is DifferenceKind.ORDER]
    others = [item for item in noisy if item not in values and item not in order]
    treatment = _of_values([place for _, _, place, _ in values]) if values else None
    if treatment is not None:
        yield treatment, values
    if order:
        yield {"unordered": True}, order
    if others:
        ignored = sorted({str(item[2].kind) for item in others})
        yield {"ignore": ignored[0] if len(ignored) == 1 else ignored}, others


def _of_values(places: list[Place]) -> dict[str, Any] | None:
    """Return the treatment of the values at a path, by the forms and the distances that legacy showed."""
    forms: dict[str, SeenForm] = {}
    for place in places:
        for name, form in place.forms.items():
            known = forms.setdefault(name, SeenForm(0, 0, 0, form.shortest, form.longest))
            known.shortest, known.longest = min(known.shortest, form.shortest), max(known.longest, form.longest)
    if not forms or any(form.longest > LONGEST for form in forms.values()):
        return None
    if set(forms) == {UUID}:
        return {"uuid": True}
    units = {unit for place in places for unit, spread in place.spreads.items() if spread.legacy}
    most = max((spread.most for place in places for spread in place.spreads.values() if spread.legacy), default=0.0)
    if units == {TIME} and all(name.startswith(_TIMES) for name in forms):
        seconds = math.floor(most * 1000) / 1000
        return {"time_tolerance": spell_duration(seconds)} if seconds else None
    if units == {NUMBER} and all(name.endswith(("integer", "decimal number")) for name in forms):
        return {"tolerance": f"{Decimal(repr(most)).normalize():f}"}
    patterns = [_pattern(name, form) for name, form in sorted(forms.items()) if not name.startswith(f"{TEXT} ")]
    if None in patterns:
        return None
    return {"regex": "|".join(dict.fromkeys(pattern for pattern in patterns if pattern is not None))}


_TIMES = ("ISO time", "ISO date", "HTTP date", "epoch")

_PATTERNS = {
    "digits": "[0-9]",
    "lower-case hex": "[0-9a-f]",
    "upper-case hex": "[0-9A-F]",
    "letters and digits": "[A-Za-z0-9]",
    "URL-safe token": "[A-Za-z0-9_-]",
    "base64": "[A-Za-z0-9+/=_-]",
    TEXT: ".",
}


def _pattern(name: str, form: SeenForm) -> str | None:
    """Return a regular expression for the texts of a form; None if there is none."""
    if name == UUID:
        return "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
    characters = _PATTERNS.get(name)
    if characters is None:
        return None
    lengths = f"{form.shortest}" if form.shortest == form.longest else f"{form.shortest},{form.longest}"
    return f"{characters}{{{lengths}}}"


def _wide(treatment: dict[str, Any]) -> list[str]:
    """Return warnings about differences that a rule allows although legacy may not have shown them."""
    if "ignore" in treatment:
        return ["CAREFUL: this rule ignores how often a difference occurs; learned noise is stricter"]
    if treatment.get("regex", "").startswith("."):
        return ["CAREFUL: the texts have no common form; any text of that length passes"]
    return []


def _because(seen: list[Seen]) -> list[str]:
    return [
        f"{name}: legacy differs from itself in {place.differing_twice} of {operation.asked_twice}"
        f" ({wilson(place.differing_twice, operation.asked_twice)[0]:.1%} or more),"
        f" the sides in {place.differing} of {operation.compared} ({place.kind})"
        for name, operation, place, _ in seen
    ]


def _warnings(seen: list[Seen]) -> list[str]:
    return [
        f"CAREFUL: at {name} this is a difference: in {place.differing} of {operation.compared} between the sides,"
        f" in {place.differing_twice} of {operation.asked_twice} between legacy's own responses ({place.kind})"
        for name, operation, place, judgement in seen
        if judgement is Judgement.DIFFERENCE
    ]
