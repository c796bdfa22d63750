"""A plan for people, and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from strangler.model.route import NO_ROUTE
from strangler.plan.change import Move, Plan
from strangler.traffic.periods import HOURS

_SIGNS = {"added": "+", "removed": "-", "changed": "~"}


def lines(plan: Plan) -> Iterator[str]:
    """The plan, the summary last."""
    if not plan.differences:
        yield "nothing that routes requests changes"
    for difference in plan.differences:
        name = difference.kind if difference.kind == difference.name else f"{difference.kind} {difference.name}"
        yield f"{_SIGNS[difference.how]} {name}: {'; '.join(difference.what) or difference.how}"
    for move in plan.moves:
        yield from _move_lines(plan, move)
    for sentence in plan.unknown:
        yield f"unknown: {sentence}"
    for move in plan.back:
        again = "; drawn anew, they switch again when the share rises" if move.redrawn.twice else ""
        yield f"BACK: {percent(move.redrawn.back)} of the callers of {_name(move)} go back to the legacy side{again}"
    yield summary(plan)


def summary(plan: Plan) -> str:
    """What is moved, in one sentence."""
    if not plan.requests:
        moved = "sends requests to another upstream" if plan.moves else "sends no request to another upstream"
        return f"this change {moved}; how many is not known, as no traffic is recorded"
    requests = percent(plan.moved_requests / plan.requests)
    callers = percent(plan.moved_callers / plan.callers if plan.callers else 0.0)
    week = "last week's requests" if plan.recorded >= HOURS else f"the requests of the last {plan.recorded} hours"
    return f"this change sends {requests} of {week}, {callers} of its callers, to another upstream"


def as_json(plan: Plan) -> dict[str, Any]:
    """The plan with nothing but what JSON can hold; shares are 0 to 1."""
    return {
        "old": plan.old,
        "new": plan.new,
        "differences": [asdict(difference) for difference in plan.differences],
        "moves": [_move_as_json(move) for move in plan.moves],
        "unknown": plan.unknown,
        "hours_recorded": plan.recorded,
        "requests": plan.requests,
        "callers": plan.callers,
        "moved_requests": round(plan.moved_requests),
        "moved_callers": round(plan.moved_callers),
        "back": [_name(move) for move in plan.back],
        "twice": [_name(move) for move in plan.twice],
        "summary": summary(plan),
    }


def percent(share: float) -> str:
    """A share as a percentage with one digit behind the point."""
    if 0 < share < 0.0005:
        return "less than 0.1 %"
    return f"{share * 100:.1f} %"


def _move_lines(plan: Plan, move: Move) -> Iterator[str]:
    for (before, after), share in move.redrawn.ways.items():
        part = f"{percent(share)} of its callers" if share < 0.99995 else "all of its callers"
        text = f"> {_name(move)}: {part} from {before} to {after}"
        if plan.requests:
            text += f", {percent(move.requests * share / move.redrawn.moved / plan.requests)} of all requests"
        yield text


def _name(move: Move) -> str:
    return move.route or NO_ROUTE


def _move_as_json(move: Move) -> dict[str, Any]:
    return {
        "route": _name(move),
        "ways": [{"from": one, "to": other, "share": share} for (one, other), share in move.redrawn.ways.items()],
        "requests": round(move.requests),
        "callers": round(move.callers),
        "back": move.redrawn.back,
        "twice": move.redrawn.twice,
    }
