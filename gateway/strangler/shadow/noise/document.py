"""The learned noise as a JSON document, which the store keeps between two runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from strangler.comparison.difference import DifferenceKind
from strangler.shadow.noise.operation import Operation
from strangler.shadow.noise.place import COUNTS, Place
from strangler.shadow.noise.values import SeenForm, Spread

VERSION = 2
"""The version of the document's format. A document of another version is ignored, and noise is learned anew."""


def write(operations: Mapping[str, Operation]) -> bytes:
    """Return the document of `operations`."""
    return json.dumps(
        {
            "version": VERSION,
            "operations": {name: _operation(counts) for name, counts in operations.items()},
        },
        separators=(",", ":"),
    ).encode()


def read(document: bytes) -> dict[str, Operation]:
    """Return the operations in `document`; empty for another version. Raises ValueError if it is malformed."""
    try:
        content = json.loads(document)
        if content.get("version") != VERSION:
            return {}
        return {name: _read_operation(counts) for name, counts in content["operations"].items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"the learned noise can't be read: {error!r}; it is learned anew, delete the migration's row in"
            " shadow_noise if this happens again"
        ) from None


def _operation(counts: Operation) -> dict[str, Any]:
    return {
        "compared": counts.compared,
        "asked_twice": counts.asked_twice,
        "extra": counts.extra,
        "places": {signature: _place(place) for signature, place in counts.places.items()},
    }


def _place(place: Place) -> dict[str, Any]:
    return {
        "kind": str(place.kind),
        "place": place.place,
        **{name: getattr(place, name) for name in COUNTS},
        "most_elements": place.most_elements,
        "any_text": place.any_text,
        "accepted": place.accepted,
        "refused": place.refused,
        "forms": {name: list(asdict(form).values()) for name, form in place.forms.items()},
        "spreads": {
            unit: [spread.most, list(spread.legacy.items()), list(spread.sides.items())]
            for unit, spread in place.spreads.items()
        },
    }


def _read_operation(counts: Mapping[str, Any]) -> Operation:
    places = {signature: _read_place(dict(place)) for signature, place in counts["places"].items()}
    return Operation(_count(counts["compared"]), _count(counts["asked_twice"]), _count(counts["extra"]), places)


def _read_place(place: dict[str, Any]) -> Place:
    forms = {name: SeenForm(*map(_count, form)) for name, form in place.pop("forms").items()}
    spreads = {
        unit: Spread(float(most), dict(legacy), dict(sides))
        for unit, (most, legacy, sides) in place.pop("spreads").items()
    }
    for name in COUNTS:
        _count(place[name])
    return Place(DifferenceKind(place.pop("kind")), forms=forms, spreads=spreads, **place)


def _count(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is not a count")
    return value
