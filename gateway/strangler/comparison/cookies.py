"""Compare the cookies that two responses set, as a browser reads them (RFC 6265 sections 5.2 and 5.3).

Cookies are matched by name, domain and path; the remaining ones by name alone. Of
two with the same three, the later one counts. Attributes have no order; those
that a browser would ignore are ignored. Values are mostly sessions and tokens,
which differ between any two responses, so they are compared only if that is
configured.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC

from strangler.comparison.difference import DifferenceKind, shown
from strangler.comparison.findings import Findings, FoundDifference
from strangler.comparison.tolerances import ABSENT, time_of

_FLAGS = frozenset(("secure", "httponly", "partitioned"))
"""Boolean attributes: only their presence counts, not their value (RFC 6265 sections 5.2.5 and 5.2.6)."""

_WORDS = {"samesite": ("strict", "lax", "none"), "priority": ("low", "medium", "high")}
"""Attributes with a set of case-insensitive values; others are ignored (RFC 6265bis section 5.6.7)."""

_MAX_AGE = re.compile(r"-?[0-9]+")
_SPACE = " \t"
_DELETED = "0"


@dataclass(frozen=True, slots=True)
class _Cookie:
    name: str
    value: str
    attributes: dict[str, str]
    meanings: dict[str, object]
    """One form for equivalent values of attributes, by attribute name."""

    @property
    def place(self) -> tuple[str, object, object]:
        return self.name, self.meanings.get("domain"), self.meanings.get("path")


def compare_cookies(legacy: Iterable[bytes], extracted: Iterable[bytes], findings: Findings) -> None:
    """Add the differences of two responses' Set-Cookie headers to `findings`."""
    for one, other in _paired(_kept(legacy), _kept(extracted)):
        if one is None or other is None:
            name = (one or other or _NONE).name
            _add(findings, name, "", None if one is None else one.value, None if other is None else other.value)
            continue
        if one.value != other.value and one.name in findings.rules.cookie_values:
            _add(findings, one.name, "", one.value, other.value)
        for attribute in dict.fromkeys([*one.meanings, *other.meanings]):
            if one.meanings.get(attribute) != other.meanings.get(attribute):
                was, now = one.attributes.get(attribute), other.attributes.get(attribute)
                _add(findings, one.name, attribute, was, now)


def _paired(
    legacy: dict[tuple[str, object, object], _Cookie], extracted: dict[tuple[str, object, object], _Cookie]
) -> Iterator[tuple[_Cookie | None, _Cookie | None]]:
    left = [cookie for place, cookie in extracted.items() if place not in legacy]
    for place, cookie in legacy.items():
        other = extracted.get(place)
        if other is None:
            other = next((one for one in left if one.name == cookie.name), None)
            if other is not None:
                left.remove(other)
        yield cookie, other
    for cookie in left:
        yield None, cookie


def _kept(headers: Iterable[bytes]) -> dict[tuple[str, object, object], _Cookie]:
    """Return the cookies that a browser has after reading all of the headers."""
    cookies: dict[tuple[str, object, object], _Cookie] = {}
    for header in headers:
        cookie = _parse(header)
        if cookie is not None:
            cookies[cookie.place] = cookie
    return cookies


def _parse(header: bytes) -> _Cookie | None:
    """Return a cookie with the attributes that a browser doesn't ignore; None if it ignores the cookie."""
    pair, *rest = header.decode("latin-1").split(";")
    name, equals, value = pair.partition("=")
    name, value = name.strip(_SPACE), value.strip(_SPACE)
    if not equals or not name:
        return None
    attributes: dict[str, str] = {}
    for item in rest:
        attribute, _, said = item.partition("=")
        attributes[attribute.strip(_SPACE).lower()] = said.strip(_SPACE)
    meanings = {attribute: _meaning(attribute, said) for attribute, said in attributes.items()}
    if meanings.get("max-age") is not None:
        meanings.pop("expires", None)  # Max-Age has precedence (RFC 6265 section 5.3 step 3)
    elif meanings.get("expires") == _DELETED:
        meanings["max-age"] = meanings.pop("expires")
        attributes["max-age"] = attributes["expires"]
    known = {attribute: meaning for attribute, meaning in meanings.items() if meaning is not None}
    return _Cookie(name, value, {attribute: attributes[attribute] for attribute in known}, known)


_NONE = _Cookie("", "", {}, {})


def _meaning(attribute: str, said: str) -> object:
    """Return one form for equivalent values of an attribute; None for those that a browser ignores."""
    if attribute in _FLAGS:
        return True
    if attribute in _WORDS:
        return said.lower() if said.lower() in _WORDS[attribute] else None
    match attribute:
        case "domain":
            return said.removeprefix(".").lower() or None
        case "path":
            return said if said.startswith("/") else None
        case "max-age":
            if _MAX_AGE.fullmatch(said) is None:
                return None
            digits = said.lstrip("0")
            return _DELETED if not digits or digits.startswith("-") else digits
        case "expires":
            moment = time_of(said)
            # A date in 1970 deletes a cookie without Max-Age.
            if moment is None:
                return None
            return _DELETED if moment.year <= 1970 else (moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    return None


def _add(findings: Findings, name: str, attribute: str, legacy: str | None, extracted: str | None) -> None:
    """Add a difference, without values that may be a session's."""
    path = f"cookie:{name}@{attribute}" if attribute else f"cookie:{name}"
    kind = (
        DifferenceKind.MISSING
        if extracted is None
        else DifferenceKind.EXTRA
        if legacy is None
        else DifferenceKind.VALUE
    )
    secret = not attribute and kind is not DifferenceKind.VALUE
    one, other = ("is set" if secret and value is not None else value for value in (legacy, extracted))
    difference = FoundDifference(
        path,
        kind,
        (ABSENT if legacy is None else legacy, ABSENT if extracted is None else extracted),
        (None if one is None else shown(one), None if other is None else shown(other)),
        path,
    )
    rules = findings.rules
    findings.add(difference, [*rules.for_cookie(name, attribute), *rules.for_header(b"set-cookie")])
