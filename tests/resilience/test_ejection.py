"""Passive ejection: when an endpoint is ejected, for how long, and how many at once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from strangler.model.resilience import Ejection
from strangler.resilience.ejection import Ejections, EndpointRecord


def ejections(count: int, settings: Ejection) -> tuple[Ejections, list[EndpointRecord]]:
    records = [EndpointRecord(settings) for _ in range(count)]
    return Ejections(settings, records), records


def test_failures_in_a_row_eject() -> None:
    some, (first, _) = ejections(2, Ejection(consecutive_failures=3))
    assert not some.failed(first, 1.0)
    assert not some.failed(first, 1.0)
    assert some.failed(first, 1.0)
    assert first.ejected


def test_a_success_between_begins_the_row_anew() -> None:
    some, (first, _) = ejections(2, Ejection(consecutive_failures=3))
    for _ in range(10):
        some.failed(first, 1.0)
        some.failed(first, 1.0)
        some.succeeded(first, 1.0)
    assert not first.ejected


def test_the_share_of_failures_ejects_once_there_are_enough_requests() -> None:
    settings = Ejection(consecutive_failures=1000, error_percent=50, minimum_requests=10)
    some, (first, _) = ejections(2, settings)
    for _ in range(4):
        some.succeeded(first, 1.0)
        assert not some.failed(first, 1.0)
    some.succeeded(first, 1.0)
    assert some.failed(first, 1.0)


def test_failures_older_than_the_window_do_not_count() -> None:
    settings = Ejection(consecutive_failures=1000, error_percent=50, minimum_requests=4, window=10)
    some, (first, _) = ejections(2, settings)
    for _ in range(3):
        some.failed(first, 1.0)
    for _ in range(4):
        some.succeeded(first, 20.0)
    assert not some.failed(first, 20.0)


def test_the_only_endpoint_is_never_ejected() -> None:
    some, (only,) = ejections(1, Ejection(consecutive_failures=1))
    assert not some.failed(only, 1.0)


def eject(some: Ejections, record: EndpointRecord, now: float) -> float:
    """Eject, and return for how long."""
    while not some.failed(record, now):
        pass
    return record.until - now


def test_each_repeat_is_longer_up_to_a_bound() -> None:
    some, (first, _) = ejections(2, Ejection(time=10, longest_time=35))
    now, lengths = 0.0, []
    for _ in range(5):
        lengths.append(eject(some, first, now))
        now = first.until
        assert some.take_back(now) == [first]
    assert lengths == [10, 20, 30, 35, 35]


def test_quiet_time_takes_repeats_back() -> None:
    some, (first, _) = ejections(2, Ejection(time=10))
    for _ in range(3):
        eject(some, first, first.until)
        some.take_back(first.until)
    assert eject(some, first, first.until + 25) == 20


def test_it_comes_back_when_its_time_is_over_and_not_before() -> None:
    some, (first, _) = ejections(2, Ejection(consecutive_failures=2, time=10))
    eject(some, first, 100.0)
    assert some.take_back(109.9) == []
    assert some.take_back(110.0) == [first]
    assert not some.failed(first, 111.0)  # the row begins anew


@given(
    st.integers(1, 12),
    st.integers(0, 100),
    st.lists(st.tuples(st.integers(0, 11), st.booleans(), st.floats(0, 5)), max_size=200),
)
def test_never_more_than_the_configured_part_is_ejected(
    count: int, percent: int, events: list[tuple[int, bool, float]]
) -> None:
    settings = Ejection(consecutive_failures=2, error_percent=30, minimum_requests=3, largest_percent=percent, time=2)
    some, records = ejections(count, settings)
    now = 0.0
    for number, failed, later in events:
        now += later
        some.take_back(now)
        record = records[number % count]
        some.failed(record, now) if failed else some.succeeded(record, now)
        assert sum(one.ejected for one in records) * 100 <= percent * count
