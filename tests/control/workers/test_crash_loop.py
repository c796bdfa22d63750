"""How long a worker that ended has to wait, whatever ends came before."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from strangler.control.workers.crash_loop import FIRST_WAIT, LONGEST_WAIT, STABLE_AFTER, CrashLoop

EARLY = st.floats(0, STABLE_AFTER, exclude_max=True)
LATE = st.floats(STABLE_AFTER, 1e6)


@given(st.lists(EARLY, min_size=1, max_size=2000))
def test_each_early_end_doubles_the_wait_up_to_the_longest(lives: list[float]) -> None:
    crash_loop = CrashLoop()
    waits = [crash_loop.ended(lived, "exit code 1") for lived in lives]
    assert waits[0] == FIRST_WAIT
    assert all(later == min(LONGEST_WAIT, 2 * earlier) for earlier, later in itertools.pairwise(waits))
    assert crash_loop.in_a_row == len(lives)


@given(st.lists(EARLY), LATE, EARLY)
def test_a_stable_worker_is_restarted_at_once_and_ends_the_loop(early: list[float], late: float, after: float) -> None:
    crash_loop = CrashLoop()
    for lived in early:
        crash_loop.ended(lived, "exit code 1")
    assert crash_loop.ended(late, "signal SIGKILL") == 0
    assert (crash_loop.in_a_row, crash_loop.reason) == (0, "signal SIGKILL")
    assert crash_loop.ended(after, "exit code 1") == FIRST_WAIT
