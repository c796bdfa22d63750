"""The rules of a migration's comparison, compiled once and immutable.

A rule governs places: values that a JSONPath finds, elements that a CSS
selector finds, headers, cookies, lines, statuses or the whole body. What
differs there passes as far as its treatment accepts it, until its last day.
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
"""What is redacted where a migration adds nothing to it."""

EVERY = "*"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: its name, what it lets pass, who is responsible for it and its last day."""

    name: str
    treatment: Treatment
    owner: str | None = None
    expires: date | None = None

    def expired(self, today: date) -> bool:
        """Whether its last day is over."""
        return self.expires is not None and self.expires < today


@dataclass(frozen=True, slots=True)
class LagRule:
    """How many seconds the candidate may be behind legacy, who is responsible for it and its last day."""

    name: str
    seconds: float
    owner: str | None = None
    expires: date | None = None

    def expired(self, today: date) -> bool:
        """Whether its last day is over."""
        return self.expires is not None and self.expires < today


@dataclass(frozen=True, slots=True)
class HtmlRule:
    """A rule for what a CSS selector finds; `part` is `@NAME`, `text()`, or nothing for all of an element."""

    selector: str
    part: str
    rule: Rule


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When a difference is noise, that is, varies by itself; the first two are percentages."""

    relative: float = 20.0
    absolute: float = 0.03
    pairs: int = 50


@dataclass(frozen=True, slots=True)
class Rules:
    """How two responses are compared; compiled from the `compare:` sections of a configuration.

    `headers` are in lower case. `default_rules` says whether CSRF tokens pass
    (`strangler.comparison.html.csrf`). `risks` holds a risk for each kind of difference,
    and `status` for that of a status. `redaction` tells what must not stand in
    the paths of differences.
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
        """The rules of the header `name`, in lower case."""
        return [rule for header, rule in self.header_rules if header == name]

    def for_cookie(self, name: str, attribute: str = "") -> list[Rule]:
        """The rules of a cookie, or of an attribute of it, in lower case; a rule of the cookie holds for both."""
        return [
            rule
            for cookie, part, rule in self.cookie_rules
            if cookie in (name, EVERY) and (part == attribute or (not part and isinstance(rule.treatment, Ignore)))
        ]

    def for_statuses(self, legacy: int, extracted: int) -> list[Rule]:
        """The rules of a difference of statuses."""
        return [rule for statuses, rule in self.status_rules if statuses == f"{legacy}/{extracted}"]
