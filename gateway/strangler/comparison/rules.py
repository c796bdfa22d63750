"""The rules of a migration's comparison, compiled once and immutable.

A rule governs places: values that a JSONPath selects, elements that a CSS
selector selects, headers, cookies, lines, statuses or the whole body. A
difference there passes if the rule's treatment accepts it, until its last day.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from jsonpath import JSONPath

from strangler.comparison.difference import Risk
from strangler.comparison.tolerances import Ignore, Treatment
from strangler.redaction.redaction import Redaction

STANDARD_REDACTION = Redaction()
"""The redaction of a migration without additions of its own."""

EVERY = "*"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: its name, the differences that it allows, its owner and its last day."""

    name: str
    treatment: Treatment
    owner: str | None = None
    expires: date | None = None

    def expired(self, today: date) -> bool:
        """Whether its last day is over."""
        return self.expires is not None and self.expires < today


@dataclass(frozen=True, slots=True)
class LagRule:
    """The seconds that the candidate may lag behind legacy, the owner of the rule and its last day."""

    name: str
    seconds: float
    owner: str | None = None
    expires: date | None = None

    def expired(self, today: date) -> bool:
        """Whether its last day is over."""
        return self.expires is not None and self.expires < today


@dataclass(frozen=True, slots=True)
class HtmlRule:
    """A rule for elements that a CSS selector selects; `part` is `@NAME`, `text()`, or empty for the whole element."""

    selector: str
    part: str
    rule: Rule


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When a difference is noise, that is, legacy varies by itself; the first two are percentages."""

    relative: float = 20.0
    absolute: float = 0.03
    pairs: int = 50


@dataclass(frozen=True, slots=True)
class Rules:
    """How two responses are compared; compiled from the `compare:` sections of a configuration.

    `headers` are in lower case. `default_rules` is whether CSRF tokens pass
    (`strangler.comparison.html.csrf`). `risks` has the risk of each kind of
    difference, and `status` that of a different status. `redaction` is what must
    not appear in the paths of differences.
    """

    status: Literal["exact", "class"]
    headers: tuple[bytes, ...]
    cookie_values: frozenset[str]
    decoded_body: int
    risks: Mapping[str, Risk]
    noise: Thresholds
    default_rules: bool = True
    rules: tuple[Rule, ...] = ()
    json_rules: tuple[tuple[JSONPath, Rule], ...] = field(default=(), repr=False)
    html_rules: tuple[HtmlRule, ...] = field(default=(), repr=False)
    header_rules: tuple[tuple[bytes, Rule], ...] = field(default=(), repr=False)
    cookie_rules: tuple[tuple[str, str, Rule], ...] = field(default=(), repr=False)
    line_rules: tuple[tuple[re.Pattern[str], Rule], ...] = field(default=(), repr=False)
    status_rules: tuple[tuple[str, Rule], ...] = field(default=(), repr=False)
    body_rules: tuple[Rule, ...] = field(default=(), repr=False)
    lag_rules: tuple[LagRule, ...] = ()
    redaction: Redaction = field(default=STANDARD_REDACTION, repr=False, compare=False)

    def for_header(self, name: bytes) -> list[Rule]:
        """Return the rules of the header `name`, in lower case."""
        return [rule for header, rule in self.header_rules if header == name]

    def for_cookie(self, name: str, attribute: str = "") -> list[Rule]:
        """Return the rules of a cookie, or of its attribute, in lower case; a rule of the cookie applies to both."""
        return [
            rule
            for cookie, part, rule in self.cookie_rules
            if cookie in (name, EVERY) and (part == attribute or (not part and isinstance(rule.treatment, Ignore)))
        ]

    def for_statuses(self, legacy: int, extracted: int) -> list[Rule]:
        """Return the rules for a difference of statuses."""
        return [rule for statuses, rule in self.status_rules if statuses == f"{legacy}/{extracted}"]
