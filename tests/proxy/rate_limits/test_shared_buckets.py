"""The table that workers share: exact over several processes, whatever keys come, whoever dies."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strangler.proxy.rate_limits import shared_buckets as tally_module
from strangler.proxy.rate_limits.shared_buckets import PLACES, SETS, Tally, new_tally
from strangler.resilience.gcra import SECOND, Rate, take

ROOT = Path(__file__).parents[3]
NOW = 1000 * SECOND
SLOW = Rate(3600 * SECOND, 5)


@pytest.fixture
def descriptor() -> Iterator[int]:
    made = new_tally()
    yield made
    os.close(made)


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c", "ä \0", "\ud800"]), st.integers(0, 10 * SECOND))))
def test_each_key_has_a_bucket_of_its_own(requests: list[tuple[str, int]]) -> None:
    descriptor = new_tally()
    table = Tally(descriptor)
    rate = Rate(SECOND, 3)
    arrivals: dict[str, int] = {}
    now = NOW
    for key, pause in requests:
        now += pause
        expected = take(arrivals.get(key, 0), now, rate)
        assert table.take(key, now, rate) == expected
        arrivals[key] = expected.arrival
    table.close()


def test_processes_together_let_exactly_the_burst_in(descriptor: int) -> None:
    asker = """
import sys
from strangler.resilience.gcra import SECOND, Rate
from strangler.proxy.rate_limits.shared_buckets import Tally
table, rate, let_in = Tally(int(sys.argv[1])), Rate(3600 * SECOND, 5000), 0
for _ in range(4000):
    while (verdict := table.take("all", 1000 * SECOND, rate)) is None:
        pass
    let_in += verdict.allowed
print(let_in)
"""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", asker, str(descriptor)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            pass_fds=(descriptor,),
        )
        for _ in range(3)
    ]
    assert sum(int(process.communicate(timeout=60)[0]) for process in processes) == 5000


def test_nobody_waits_for_a_lock_and_a_dead_process_leaves_none(descriptor: int) -> None:
    table = Tally(os.dup(descriptor))
    assert table.take("key", NOW, SLOW) is not None
    # Every lock of the table, by somebody who then stays away.
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import fcntl; fcntl.lockf({descriptor}, fcntl.LOCK_EX); print('held', flush=True); input()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        pass_fds=(descriptor,),
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert table.take("key", NOW, SLOW) is None
        table.give_back("key", SLOW)
        unlocked = table.take("key", NOW, SLOW, locked=False)
        assert unlocked is not None
        assert unlocked.remaining == 3
        holder.kill()
        holder.wait(10)
    verdict = table.take("key", NOW, SLOW)
    assert verdict is not None
    assert verdict.remaining == 2
    table.close()


def test_full_buckets_make_room_and_the_fullest_goes_first(descriptor: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally_module, "SETS", 1)
    assert SETS > 1
    table = Tally(os.dup(descriptor))
    for number in range(PLACES):
        table.take(f"old{number}", NOW + number, SLOW)
    assert table.forgotten == 0
    later = NOW + SLOW.interval + PLACES
    for number in range(PLACES):
        table.take(f"new{number}", later + number, SLOW)
    assert table.forgotten == 0, "all old buckets were full again"
    table.take("one-too-many", later + PLACES, SLOW)
    assert table.forgotten == 1
    first = table.take("new7", later + PLACES, SLOW)
    assert first is not None
    assert first.remaining == 3, "the newest are still there"
    table.close()
