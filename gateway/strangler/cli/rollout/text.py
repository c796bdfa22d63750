"""Rollouts for people: one line a migration, and the history."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from strangler.rollout.results import duration


def rollouts_lines(view: dict[str, Any], migration: str | None = None) -> Iterator[str]:
    """The document of /rollouts, a line for each rollout, or for `migration` alone."""
    if view["freeze"] is not None:
        freeze = view["freeze"]
        yield f"frozen by {freeze['by']} since {moment(freeze['at'])}: {freeze['reason']}"
    if view["problem"] is not None:
        yield f"rollouts are not moved now: {view['problem']}"
    elif not view["leads"] and view["rollouts"]:
        yield "another gateway decides"
    for name, rollout in view["rollouts"].items():
        if migration is None or name == migration:
            yield rollout_line(rollout)


def rollout_line(rollout: dict[str, Any]) -> str:
    """State, step, what is missing, and time to go."""
    state, held = rollout["state"], rollout["held"]
    stands = f"{state} {held}" if held else state
    parts = [f"rollout of {rollout['migration']}: {stands} at {_step(rollout['step'])}"]
    if rollout["stage"] is not None:
        parts.append(f"stage {rollout['stage']} in the configuration decides")
    elif rollout["missing"]:
        parts.append(rollout["missing"])
    if rollout["stage"] is None and rollout["seconds_to_go"] is not None:
        parts.append(f"about {duration(rollout['seconds_to_go'])} to go")
    if rollout["stuck"] is not None:
        parts.append(f"STUCK since {moment(rollout['stuck']['since'])}: {rollout['stuck']['reason']}")
    if rollout["acknowledged"] < rollout["workers"]:
        parts.append(f"{rollout['acknowledged']} of {rollout['workers']} workers have it")
    if rollout["dry_run"]:
        parts.append("dry run: nothing is moved")
    return "; ".join(parts)


def gate_lines(rollout: dict[str, Any]) -> Iterator[str]:
    """What each gate shows, and why the rollout is where it is."""
    for gate in rollout["gates"]:
        yield f"  {gate['text']}"
    if rollout["reason"]:
        yield f"  since {moment(rollout['since'])}: {rollout['reason']}"


def history_lines(entries: list[dict[str, Any]]) -> Iterator[str]:
    """The audit, the newest entry first."""
    for entry in entries:
        marks = [word for word, there in (("forced", entry["forced"]), ("dry run", entry["dry_run"])) if there]
        marked = f" ({', '.join(marks)})" if marks else ""
        yield f"{moment(entry['at'])}  {entry['what']}{marked} by {entry['who']}: {_move(entry)}"
        if entry["reason"]:
            yield f"  {entry['reason']}"
        for reading in entry["readings"]:
            numbers = ", ".join(f"{name} {value:.4g}" for name, value in _numbers(reading))
            why = reading.get("why") or reading.get("missing")
            yield f"  {reading['gate']}: {reading['result']}: {why}" + (f" ({numbers})" if numbers else "")


def moment(seconds: float) -> str:
    """A time since 1970 as date and time in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _step(step: str) -> str:
    """A step; shares are numbers, as in the YAML."""
    return f"{step} %" if step[-1:].isdigit() else step


def _move(entry: dict[str, Any]) -> str:
    before = f"{entry['from_state']} at {entry['from_share'] * 100:g} %"
    after = f"{entry['to_state']} at {entry['to_share'] * 100:g} %"
    return after if before == after else f"{before} → {after}"


def _numbers(reading: dict[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in reading.get("numbers", {}).items():
        yield name, float(value)
