"""Compare the cookies that two answers set (RFC 6265 section 5.2).

Cookies belong together by name; attributes are compared by name, whatever
their case and order. Values are sessions and tokens mostly, which differ
between any two answers, so they are compared only where that is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable

from gateway.shadow.acceptance import ABSENT
from gateway.shadow.difference import Kind, shown
from gateway.shadow.findings import Findings

_FOLDED = ("samesite", "domain")
"""Attributes whose values are not case-sensitive."""


def compare_cookies(legacy: Iterable[bytes], extracted: Iterable[bytes], findings: Findings) -> None:
    """Add the differences of two answers' Set-Cookie headers to `findings`."""
    one, other = _parse(legacy), _parse(extracted)
    for key in [*one, *(key for key in other if key not in one)]:
        name = key[0]
        if key not in other:
            _add(findings, name, "", one[key][0], None)
        elif key not in one:
            _add(findings, name, "", None, other[key][0])
        else:
            (value, attributes), (new_value, new_attributes) = one[key], other[key]
            if value != new_value and name in findings.rules.cookie_values:
                _add(findings, name, "", value, new_value)
            for attribute in [*attributes, *(item for item in new_attributes if item not in attributes)]:
                was, now = attributes.get(attribute), new_attributes.get(attribute)
                if was != now:
                    _add(findings, name, attribute, was, now)


def _add(findings: Findings, name: str, attribute: str, legacy: str | None, extracted: str | None) -> None:
    """Values are not shown where they may be those of a session."""
    path = f"cookie:{name}@{attribute}" if attribute else f"cookie:{name}"
    kind = Kind.MISSING if extracted is None else Kind.EXTRA if legacy is None else Kind.VALUE
    secret = not attribute and kind is not Kind.VALUE
    one, other = ("is set" if secret and value is not None else value for value in (legacy, extracted))
    findings.add(
        path,
        kind,
        (ABSENT if legacy is None else legacy, ABSENT if extracted is None else extracted),
        [*findings.rules.for_cookie(name, attribute), *findings.rules.for_header(b"set-cookie")],
        (None if one is None else shown(one), None if other is None else shown(other)),
        path,
    )


def _parse(headers: Iterable[bytes]) -> dict[tuple[str, int], tuple[str, dict[str, str]]]:
    """Value and attributes by name; a name that is set more than once is told apart by its number."""
    found: dict[tuple[str, int], tuple[str, dict[str, str]]] = {}
    for header in headers:
        pair, *rest = header.decode("latin-1").split(";")
        name, _, value = pair.partition("=")
        attributes = {}
        for item in rest:
            attribute, _, said = item.partition("=")
            key, said = attribute.strip().lower(), said.strip()
            if key:
                attributes[key] = said.lower() if key in _FOLDED else said
        number = 0
        while (name.strip(), number) in found:
            number += 1
        found[name.strip(), number] = (value.strip(), attributes)
    return found
