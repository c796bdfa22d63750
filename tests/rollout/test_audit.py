"""The audit: an entry holds all that was decided from, as JSON."""

from __future__ import annotations

import json

from strangler.rollout.audit import as_dict
from strangler.rollout.evidence import MetricValue
from strangler.rollout.states import RolloutState
from tests.rollout.scenario import Rollout


def test_audit_entries_are_json() -> None:
    play = Rollout().reach(RolloutState.CANARY)
    play.turn(metrics={"checkout": MetricValue(play.now + 1, float("inf"))})
    entry = json.loads(json.dumps(as_dict(play.audit[-1]), allow_nan=False))
    assert (entry["what"], entry["from_state"], entry["to_state"]) == ("failed", "canary", "rolled back")
    assert [reading["result"] for reading in entry["readings"]] == ["pass", "pass", "pass", "fail"]
    assert entry["readings"][3]["numbers"] == {"value": "inf", "below": 0.02}
    assert entry["readings"][1]["numbers"]["extracted"] == 10
