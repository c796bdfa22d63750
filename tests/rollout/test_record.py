"""The durable record: what is written is read again, and what can't be read moves nothing."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strangler.rollout.record import Held, Pause, Record, RecordError, RollbackTest, Stuck, from_json, to_json, wanted
from strangler.rollout.states import RolloutState
from tests.rollout.scenario import EVERY_STATE, POLICY, REVISION, Rollout

times = st.floats(0, 4e9)
texts = st.text(max_size=20)
records = st.builds(
    Record,
    migration=texts,
    revision=texts,
    state=st.sampled_from([state for state in RolloutState if state is not RolloutState.HOLDING]),
    attempt=st.integers(1, 99),
    step=st.integers(0, 5),
    served=times,
    turned=st.none() | times,
    pause=st.none() | st.builds(Pause, texts, texts),
    stuck=st.none() | st.builds(Stuck, times, texts),
    approved=st.none() | st.integers(0, 5),
    slow_after=st.dictionaries(texts, st.floats(0.001, 60)),
    tests=st.dictionaries(texts, st.builds(RollbackTest, st.integers(1, 9), st.integers(0, 9), st.integers(0, 9))),
)


@given(records)
def test_record_is_read_as_it_was_written(record: Record) -> None:
    assert from_json(to_json(record)) == record


def test_what_is_held_is_read_as_it_was_written() -> None:
    held = Held(RolloutState.CANARY, 12.5, 3.0, "frozen")
    record = Record(migration="catalog", revision=REVISION, state=RolloutState.HOLDING, held=held)
    again = from_json(to_json(record))
    assert again == record
    assert again.held is not None
    assert again.held.state is RolloutState.CANARY


@pytest.mark.parametrize("state", EVERY_STATE)
def test_record_of_every_state_survives(state: RolloutState) -> None:
    record = Rollout().reach(state).record
    assert from_json(to_json(record)) == record


GOOD = json.loads(to_json(Record(migration="catalog", revision=REVISION)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        json.dumps({key: value for key, value in GOOD.items() if key != "format"}),
        json.dumps(GOOD | {"format": 2}),
        json.dumps(GOOD | {"state": "promoted"}),
        json.dumps(GOOD | {"state": "holding"}),
        json.dumps(GOOD | {"held": ["canary", 0, 0, "why"]}),
        json.dumps(GOOD | {"step": -1}),
        json.dumps(GOOD | {"step": "1"}),
        json.dumps(GOOD | {"served": 1e999}),
        json.dumps(GOOD | {"tests": {"errors": [1, 2, 3, 4, 5]}}),
        json.dumps(GOOD | {"unknown": 1}),
        json.dumps(GOOD | {"revision": None}),
        to_json(Record(migration="catalog", revision=REVISION))[:-10],
    ],
)
def test_record_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(RecordError, match=r"the record"):
        from_json(text)


@pytest.mark.parametrize(
    ("state", "share", "shadowed"),
    [
        (RolloutState.WAITING, 0.0, False),
        (RolloutState.SHADOWING, 0.0, True),
        (RolloutState.PROVING, 0.0, True),
        (RolloutState.CANARY, 0.01, True),
        (RolloutState.PROMOTING, 0.01, True),
        (RolloutState.WATCHING, 1.0, True),
        (RolloutState.EXTRACTED, 1.0, False),
        (RolloutState.HOLDING, 0.01, True),
        (RolloutState.ROLLED_BACK, 0.0, False),
    ],
)
def test_what_workers_should_do_in_each_state(state: RolloutState, share: float, shadowed: bool) -> None:
    wants = wanted(POLICY, Rollout().reach(state).record)
    assert (wants.share, wants.shadowed) == (share, shadowed)
