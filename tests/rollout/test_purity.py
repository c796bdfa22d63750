"""The rollout package reads no clock and does no I/O: the import rules say so of modules, this of calls."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from strangler import rollout
from strangler.rollout.audit import as_dict
from strangler.rollout.evidence import MetricValue
from strangler.rollout.policy import Policy
from strangler.rollout.states import State
from tests.rollout.scenario import Rollout

FORBIDDEN = {"now", "utcnow", "today", "open", "read_text", "write_text", "getenv"}
MODULES = sorted(Path(rollout.__file__).parent.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_module_calls_no_clock_and_no_file(path: Path) -> None:
    calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    names = {func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "") for func in calls}
    assert not names & FORBIDDEN


def test_audit_entries_are_json() -> None:
    play = Rollout().reach(State.CANARY)
    play.turn(metrics={"checkout": MetricValue(play.now + 1, float("inf"))})
    entry = json.loads(json.dumps(as_dict(play.audit[-1]), allow_nan=False))
    assert (entry["what"], entry["from_state"], entry["to_state"]) == ("failed", "canary", "rolled back")
    assert [reading["result"] for reading in entry["readings"]] == ["pass", "pass", "pass", "fail"]
    assert entry["readings"][3]["numbers"] == {"value": "inf", "below": 0.02}
    assert entry["readings"][1]["numbers"]["extracted"] == 10


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"steps": ()}, "steps rise"),
        ({"steps": (0.0, 1.0)}, "steps rise"),
        ({"steps": (5.0, 1.0, 100.0)}, "steps rise"),
        ({"steps": (-1.0, 100.0)}, "steps rise"),
        ({"alpha": 0.0}, "alpha"),
        ({"beta": 1.0}, "beta"),
        ({"harmful_ratio": 1.0}, "a harmful ratio is above 1"),
        ({"floor": 0.0}, "a floor is above 0"),
        ({"errors": False, "latency": False}, "needs a gate that sees callers"),
    ],
)
def test_policy_that_cannot_be_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Policy(**values)
