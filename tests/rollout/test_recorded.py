"""Simulated traffic with the shape of a recorded week."""

from __future__ import annotations

from random import Random

import pytest

from strangler.rollout.policy import RolloutPolicy
from strangler.rollout.simulation.play import play, played_policy
from strangler.rollout.simulation.recorded import HOUR, WEEK, recorded_traffic, with_callers, with_requests
from strangler.rollout.simulation.traffic import Traffic
from strangler.rollout.states import RolloutState

# Twelve busy hours of each day, twelve without any request.
HOURLY = [2000 if hour % 24 < 12 else 0 for hour in range(168)]
TRAFFIC = recorded_traffic(Traffic(), HOURLY, 168 * 3000 - 1)


def test_traffic_time_and_wall_time_are_inverse() -> None:
    for phase in (0.0, 3.3 * HOUR, 100.5 * HOUR):
        for wall in (10.0, HOUR, 2.5 * WEEK):
            time = TRAFFIC.traffic_time(wall, phase)
            # Where no traffic passes, the moment is the last one with traffic.
            assert TRAFFIC.wall_time(time, phase) <= wall + 0.1
            assert TRAFFIC.traffic_time(TRAFFIC.wall_time(time, phase), phase) == pytest.approx(time, abs=0.1)


def test_a_week_of_traffic_takes_a_week() -> None:
    assert TRAFFIC.traffic_time(WEEK, 5 * HOUR) == pytest.approx(WEEK)
    assert TRAFFIC.traffic_time(6 * HOUR, 0.0) == pytest.approx(12 * HOUR)
    assert TRAFFIC.traffic_time(12 * HOUR, 12 * HOUR) == pytest.approx(0.0)


def test_hours_that_were_not_recorded_are_mean_hours() -> None:
    traffic = recorded_traffic(Traffic(), [0] * 144 + [100] * 12 + [300] * 12, 168 * 3000 - 1)
    assert traffic.shape[:144] == (1.0,) * 144
    assert traffic.shape[144:156] == (0.5,) * 12
    assert recorded_traffic(Traffic(), [0] * 168, 5).shape == (1.0,) * 168


def test_the_shape_keeps_the_hour_of_the_week() -> None:
    # The last of the hours is the fifth of a week.
    traffic = recorded_traffic(Traffic(), [0] * 167 + [100], 168 * 3000 + 5)
    assert [hour for hour, part in enumerate(traffic.shape) if part != 1.0] == []
    traffic = recorded_traffic(Traffic(), [1] * 167 + [169], 168 * 3000 + 5)
    assert max(range(168), key=traffic.shape.__getitem__) == 5


def test_populations_are_those_that_were_counted() -> None:
    found = with_callers(Traffic(), 500, HOUR)
    assert found.callers * found.seen_by(HOUR) == pytest.approx(500, rel=0.01)
    found = with_requests(Traffic(), 20_000, 90_000, WEEK)
    assert found.callers * found.seen_by(WEEK) == pytest.approx(20_000, rel=0.02)
    assert found.callers * found.requests_per_day * 7 == pytest.approx(90_000, rel=0.02)


def test_a_rollout_waits_for_the_hours_with_traffic() -> None:
    played = play(played_policy(RolloutPolicy()), TRAFFIC, 1.0, Random(3))
    assert played.state is RolloutState.WATCHING
