"""The rules that would let pass what is noise, as YAML for a person to accept."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import yaml

from gateway.config.json_schema import spell_duration
from gateway.shadow.difference import Kind
from gateway.shadow.noise import Endpoint, Form, Judgement, Noise, Place, wilson


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A rule for a place, as it would be written, and why.

    `because` has a line for each endpoint at which it was noise, and one for each at
    which it isn't and the rule would hide a difference.
    """

    rule: dict[str, Any]
    because: tuple[str, ...]


def suggestions(noise: Noise) -> list[Suggestion]:
    """A rule for each place that is noise at an endpoint, for all kinds of differences there together.

    Places for which no rule can be given (lines of texts, statuses, bodies of
    bytes) are left out.
    """
    found: dict[str, list[tuple[str, Endpoint, Place, Judgement]]] = {}
    for name, endpoint in noise.endpoints.items():
        for signature, place in endpoint.places.items():
            found.setdefault(place.place, []).append((name, endpoint, place, noise.judgement(name, signature)))
    suggested = []
    for where, seen in sorted(found.items()):
        noisy = [item for item in seen if item[3] is Judgement.NOISE]
        target = _target(where)
        if noisy and target is not None:
            rule = {"name": f"noise at {where}", **target, **_treatment([place for _, _, place, _ in noisy])}
            suggested.append(Suggestion(rule, (*_because(noisy), *_warnings(seen))))
    return suggested


def as_yaml(suggested: Iterable[Suggestion]) -> str:
    """A `compare:` section with the suggested rules, each under the reasons for it; empty where there are none."""
    blocks = []
    for suggestion in suggested:
        rule = yaml.safe_dump([suggestion.rule], sort_keys=False, allow_unicode=True, width=110)
        reasons = [f"    # {reason}" for reason in suggestion.because]
        blocks.append("\n".join([*reasons, *(f"    {line}" for line in rule.splitlines())]))
    return "compare:\n  rules:\n" + "\n".join(blocks) + "\n" if blocks else ""


def _target(where: str) -> dict[str, str] | None:
    """What a rule says to govern a place."""
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


def _treatment(places: list[Place]) -> dict[str, Any]:
    """How a rule treats the differences of a place: by what the values are, where that can be told."""
    forms = set().union(*(place.forms for place in places if place.kind is Kind.VALUE))
    kinds = sorted({place.kind for place in places})
    if kinds == [Kind.ORDER]:
        return {"unordered": True}
    if kinds == [Kind.VALUE] and forms == {Form.UUID}:
        return {"uuid": True}
    if kinds == [Kind.VALUE] and forms == {Form.TIME}:
        most = max(place.most_seconds for place in places)
        return {"time_tolerance": spell_duration(max(1, math.ceil(most * 2)))}
    ignored = [str(kind) for kind in kinds]
    return {"ignore": ignored[0] if len(ignored) == 1 else ignored}


def _because(seen: list[tuple[str, Endpoint, Place, Judgement]]) -> list[str]:
    return [
        f"{name}: legacy differs from itself in {place.differing_twice} of {endpoint.asked_twice}"
        f" ({wilson(place.differing_twice, endpoint.asked_twice)[0]:.1%} or more),"
        f" the sides in {place.differing} of {endpoint.compared} ({place.kind})"
        for name, endpoint, place, _ in seen
    ]


def _warnings(seen: list[tuple[str, Endpoint, Place, Judgement]]) -> list[str]:
    return [
        f"CAREFUL: at {name} this is a difference: in {place.differing} of {endpoint.compared} between the sides,"
        f" in {place.differing_twice} of {endpoint.asked_twice} at legacy itself ({place.kind})"
        for name, endpoint, place, judgement in seen
        if judgement is Judgement.DIFFERENCE
    ]
