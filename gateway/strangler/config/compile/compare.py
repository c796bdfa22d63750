"""From `compare:` sections to the rules that a comparison applies.

The general section comes first; a migration's own section overrides it, and the
rules of both are combined.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from jsonpath import JSONPath

from strangler.comparison.difference import DifferenceKind, Risk
from strangler.comparison.rules import STANDARD_REDACTION, HtmlRule, LagRule, Rule, Rules, Thresholds
from strangler.comparison.tolerances import (
    Ignore,
    Mask,
    NullEqualsMissing,
    Regex,
    TimeTolerance,
    Tolerance,
    Treatment,
    Unordered,
    Uuid,
)
from strangler.config.compile.migrations import compile_redact
from strangler.config.schema.compare import CompareSection, RuleSection
from strangler.config.schema.compare_values import JSON_PATHS, split_selector
from strangler.config.schema.configuration import Configuration
from strangler.model.shadow import Redact
from strangler.redaction.redaction import Redaction

_ALL = frozenset(DifferenceKind)

_DEFAULT_RULES = [
    RuleSection(name="nonces", html=["[nonce] @nonce"], ignore=["value"]),
    RuleSection(name="nonces", header=["content-security-policy"], mask=r"'nonce-[^']*'"),
    RuleSection(name="cookie expiry", cookie=["* @expires"], time_tolerance=60),
]


def compile_rules(*sections: CompareSection, redact: Redact | None = None) -> Rules:
    """The rules of `compare:` sections, the general one first.

    A later section overrides an earlier one; their rules are combined. `redact`
    is the redaction of the migration's `shadow:`.
    """
    said: dict[str, object] = {}
    risks: dict[str, str] = CompareSection().risks.model_dump(by_alias=True)
    noise: dict[str, Any] = CompareSection().noise.model_dump()
    for section in sections:
        said |= {name: getattr(section, name) for name in section.model_fields_set - {"rules", "risks", "noise"}}
        noise |= section.noise.model_dump(exclude_unset=True)
        risks |= section.risks.model_dump(by_alias=True, exclude_unset=True)
    settings = CompareSection().model_copy(update=said)
    written = [rule for section in sections for rule in section.rules]
    if settings.default_rules:
        written = [*written, *_DEFAULT_RULES]
    places = _Places()
    for rule in written:
        places.add(rule)
    return Rules(
        status=settings.status,
        headers=tuple(dict.fromkeys(name.lower().encode() for name in settings.headers)),
        cookie_values=frozenset(map(str, settings.cookie_values)),
        decoded_body=settings.decoded_body,
        noise=Thresholds(**noise),
        default_rules=settings.default_rules,
        risks={kind: Risk(risk) for kind, risk in risks.items()},
        rules=tuple(places.rules),
        json_rules=tuple(places.json),
        html_rules=tuple(places.html),
        header_rules=tuple(places.header),
        cookie_rules=tuple(places.cookie),
        line_rules=tuple(places.line),
        status_rules=tuple(places.status),
        body_rules=tuple(places.body),
        lag_rules=tuple(places.lag),
        redaction=STANDARD_REDACTION if redact is None else Redaction(redact),
    )


def rules_of(model: Configuration, migration: str) -> Rules:
    """The rules of the migration of that name in a configuration."""
    section = model.migrations[migration]
    redact = None if section.shadow is None else compile_redact(section.shadow.redact)
    return compile_rules(model.compare, section.compare, redact=redact)


class _Places:
    """Rules by the places that they govern, in the order in which they are written."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self.json: list[tuple[JSONPath, Rule]] = []
        self.html: list[HtmlRule] = []
        self.header: list[tuple[bytes, Rule]] = []
        self.cookie: list[tuple[str, str, Rule]] = []
        self.line: list[tuple[re.Pattern[str], Rule]] = []
        self.status: list[tuple[str, Rule]] = []
        self.body: list[Rule] = []
        self.lag: list[LagRule] = []

    def add(self, section: RuleSection) -> None:
        if section.lag is not None:
            self.lag.append(LagRule(str(section.name), section.lag, section.owner, section.expires))
            return
        rule = Rule(str(section.name), _treatment(section), section.owner, section.expires)
        self.rules.append(rule)
        self.json += [(_json_path(path), rule) for path in section.json_ or ()]
        self.html += [HtmlRule(*split_selector(selector), rule) for selector in section.html or ()]
        self.header += [(name.lower().encode(), rule) for name in section.header or ()]
        self.cookie += [(*_cookie(name), rule) for name in section.cookie or ()]
        self.line += [(re.compile(pattern), rule) for pattern in section.line or ()]
        self.status += [(statuses, rule) for statuses in section.status or ()]
        if section.body:
            self.body.append(rule)


def _json_path(text: str) -> JSONPath:
    path = JSON_PATHS.compile(text)
    assert isinstance(path, JSONPath), "the strict environment has no compound paths"
    return path


def _cookie(text: str) -> tuple[str, str]:
    name, _, attribute = text.partition("@")
    return name.strip(), attribute.lower()


def _treatment(section: RuleSection) -> Treatment:
    """The one treatment that a valid section names."""
    if section.ignore is not None:
        kinds = _ALL if "all" in section.ignore else frozenset(map(DifferenceKind, _kinds(section.ignore)))
        return Ignore(kinds, redacted="redacted" in section.ignore)
    if section.tolerance is not None:
        return Tolerance(Decimal(section.tolerance.removesuffix("%").strip()), section.tolerance.endswith("%"))
    if section.time_tolerance is not None:
        return TimeTolerance(timedelta(seconds=section.time_tolerance))
    if section.regex is not None:
        return Regex(re.compile(section.regex))
    if section.mask is not None:
        return Mask(re.compile(section.mask))
    if section.uuid is not None:
        return Uuid()
    if section.null_equals_missing is not None:
        return NullEqualsMissing()
    return Unordered(section.key)


def _kinds(names: Sequence[str]) -> list[str]:
    return [name for name in names if name not in ("all", "redacted")]


DEFAULT_RULES = compile_rules()
"""The rules without a configuration."""
