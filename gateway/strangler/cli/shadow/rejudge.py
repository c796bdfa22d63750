"""`strangler shadow rejudge`: the stored pairs by changed rules, before these are applied."""

from __future__ import annotations

from pathlib import Path

import orjson
from rich.markup import escape

from strangler.cli.output.listing import listed
from strangler.cli.output.terminal import output
from strangler.cli.shadow.stored import check_migration, with_store
from strangler.config.compile.compare import rules_of
from strangler.config.load import Loaded, load
from strangler.shadow.evidence.stored_pairs import stored_pairs
from strangler.shadow.judging.rejudging import Rejudged, rejudge
from strangler.store.database import Database

_SHOWN = 5
_MOST_SIGNATURES = 50
"""That a rule hides, and that are found, without --all."""


def show_rejudged(config: Path, migration: str, rules: Path | None, as_json: bool, everything: bool = False) -> int:
    """0; 1 if a configuration or the store can't be read."""

    def work(loaded: Loaded, database: Database) -> int:
        changed = loaded
        if rules is not None:
            changed = load(rules)
            check_migration(changed, migration)
        rejudged = rejudge(stored_pairs(database, migration), rules_of(changed.model, migration))
        if as_json:
            print(orjson.dumps(_as_json(rejudged), option=orjson.OPT_INDENT_2).decode())
        else:
            _print(rejudged, None if everything else _MOST_SIGNATURES)
        return 0

    return with_store(config, work, migration)


def _as_json(rejudged: Rejudged) -> dict[str, object]:
    return {
        "pairs": rejudged.pairs,
        "without_values": rejudged.without_values,
        "outcomes": [
            {"before": before, "after": after, "pairs": count} for (before, after), count in rejudged.outcomes.items()
        ],
        "hidden": rejudged.hidden,
        "found": rejudged.found,
    }


def _print(rejudged: Rejudged, most: int | None) -> None:
    console = output()
    console.print(
        f"{rejudged.pairs} stored pairs"
        + (f", {rejudged.without_values} of them without values" if rejudged.without_values else "")
    )
    for (before, after), count in sorted(rejudged.outcomes.items()):
        console.print(f"  {count} x {before}" + ("" if before == after else f" → [bold]{after}[/]"))
    hidden = [
        (signature, rule, numbers)
        for signature, by_rule in rejudged.hidden.items()
        for rule, numbers in by_rule.items()
    ]
    for signature, rule, numbers in listed(console, hidden, most, "hidden differences"):
        console.print(f"hidden: {escape(signature)}, by the rule {escape(rule)}, in {_pairs(numbers)}")
    for signature, numbers in listed(console, list(rejudged.found.items()), most, "differences found"):
        console.print(f"found: {escape(signature)}, in {_pairs(numbers)}")
    if not rejudged.hidden and not rejudged.found:
        console.print("Nothing changes.")


def _pairs(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:_SHOWN]))
    more = f" and {len(numbers) - _SHOWN} more" if len(numbers) > _SHOWN else ""
    return f"pair{'s' if len(numbers) > 1 else ''} {shown}{more}"
