"""What must hold across the rules of `compare:` sections, and what in them is probably not meant."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from strangler.config.checks.checked import Checked
from strangler.config.schema.compare import CompareSection, RuleSection
from strangler.config.text.document import Step
from strangler.config.text.problems import Problem

Place = tuple[Step, ...]


def problems(checked: Checked) -> Iterator[Problem]:
    """Two rules of one name: reports could not show which of them accepts a difference."""
    general = {rule.name: place for rule, place in _rules(checked, checked.model.compare, ())}
    for path, section in _sections(checked):
        seen = dict(general) if path else {}
        for rule, place in _rules(checked, section, path):
            first = seen.setdefault(rule.name, place)
            if first != place:
                yield Problem(
                    checked.document.source(*place, "name"),
                    f"the rule '{rule.name}' is defined twice",
                    f"first at {checked.document.source(*first, 'name')}",
                )


def warnings(checked: Checked) -> Iterator[Problem]:
    """Rules without effect."""
    today = datetime.now(UTC).date()
    for path, section in _sections(checked):
        compared = _headers(checked, section)
        for rule, place in _rules(checked, section, path):
            if rule.expires is not None and rule.expires < today:
                ask = f"; ask {rule.owner}" if rule.owner else ""
                yield Problem(
                    checked.document.source(*place, "expires"),
                    f"the rule '{rule.name}' expired on {rule.expires} and no longer accepts differences{ask}",
                )
            # A rule at the top level may be meant for a migration that compares more.
            for number, header in enumerate(rule.header or () if path else ()):
                if header.lower() not in compared:
                    yield Problem(
                        checked.document.source(*place, "header", number),
                        f"the header {header} is not compared, so the rule '{rule.name}' has no effect",
                        "add it to 'headers'",
                    )


def _sections(checked: Checked) -> Iterator[tuple[Place, CompareSection]]:
    yield (), checked.model.compare
    for name, migration in checked.model.migrations.items():
        yield ("migrations", name), migration.compare


def _rules(checked: Checked, section: CompareSection, path: Place) -> Iterator[tuple[RuleSection, Place]]:
    for number, rule in enumerate(section.rules):
        yield rule, (*path, "compare", "rules", number)


def _headers(checked: Checked, section: CompareSection) -> set[str]:
    own = "headers" in section.model_fields_set
    return {header.lower() for header in (section if own else checked.model.compare).headers}
