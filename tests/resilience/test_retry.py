"""When a request may be sent again, and when the monolith may answer instead."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strangler.model.migration import Migration, Stage
from strangler.model.resilience import LegacyFallback, Retries
from strangler.resilience.fallback import may_fall_back
from strangler.resilience.retry import Cause, Failure, backoff, may_retry, seconds_of

EVERY = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "POST", "PATCH"})
CAUSES: list[Cause] = ["breaker", "busy", "connect", "lost", "malformed", "status", "timeout"]


def failure(cause: Cause, *, sent: bool = True, status: int = 502) -> Failure:
    return Failure(cause, status, "", sent)


@pytest.mark.parametrize("method", sorted(EVERY))
def test_what_was_never_sent_may_be_sent(method: str) -> None:
    assert may_retry(failure("connect", sent=False), method, Retries())


@pytest.mark.parametrize(("method", "may"), [("GET", True), ("PUT", True), ("POST", False), ("PATCH", False)])
def test_after_a_lost_connection_only_what_is_idempotent_is_sent_again(method: str, may: bool) -> None:
    assert may_retry(failure("lost"), method, Retries(methods=EVERY)) is may


def test_by_default_only_reads_are_sent_again_and_not_after_a_deadline() -> None:
    assert may_retry(failure("lost"), "GET", Retries())
    assert not may_retry(failure("lost"), "PUT", Retries())
    assert not may_retry(failure("timeout"), "GET", Retries())
    assert not may_retry(failure("status", status=503), "GET", Retries())


def test_a_status_that_says_that_nothing_was_done_is_enough_for_methods_that_the_route_names() -> None:
    settings = Retries(methods=frozenset({"POST"}), statuses=frozenset({503}))
    assert may_retry(failure("status", status=503), "POST", settings)
    assert not may_retry(failure("status", status=500), "POST", settings)
    assert not may_retry(failure("status", status=503), "PATCH", settings)


@given(st.sampled_from(CAUSES), st.sampled_from(sorted(EVERY)), st.booleans())
def test_no_effect_comes_twice(cause: Cause, method: str, timeouts: bool) -> None:
    """A request that may have had an effect is sent again only if it is idempotent, or the answer's status says so."""
    settings = Retries(methods=EVERY, timeouts=timeouts)
    if may_retry(failure(cause), method, settings):
        assert method not in ("POST", "PATCH")


@given(st.integers(1, 20), st.floats(0, 1))
def test_waits_grow_and_are_bounded(retry: int, drawn: float) -> None:
    settings = Retries(backoff=0.1, longest_backoff=1.0)
    assert 0 <= backoff(retry, settings, drawn) <= min(1.0, 0.1 * 2 ** (retry - 1))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (b"2", 2.0),
        (b" 120 ", 120.0),
        (b"Thu, 01 Jan 1970 00:20:00 GMT", 200.0),
        (b"Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        (b"soon", None),
        (b"", None),
        (b"-1", None),
        (b"9" * 400, 999999999.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: bytes, seconds: float | None) -> None:
    assert seconds_of(text, 1000.0) == seconds


@given(st.binary(max_size=40))
def test_no_retry_after_of_any_shape_crashes(text: bytes) -> None:
    found = seconds_of(text, 1000.0)
    assert found is None or found >= 0


# Fallback to the legacy side

CATALOG = Migration("catalog", "monolith", "catalog", Stage.EXTRACTED)


@pytest.mark.parametrize("stage", list(Stage))
def test_the_legacy_side_answers_in_canary_and_extracted_alone(stage: Stage) -> None:
    answers = may_fall_back(replace(CATALOG, stage=stage), failure("connect", sent=False), "GET")
    assert answers is (stage in (Stage.CANARY, Stage.EXTRACTED))


@pytest.mark.parametrize("cause", CAUSES)
def test_a_read_falls_back_whatever_happened(cause: Cause) -> None:
    assert may_fall_back(CATALOG, failure(cause), "GET")


def test_a_write_does_not_fall_back_unless_the_migration_says_so() -> None:
    assert not may_fall_back(CATALOG, failure("connect", sent=False), "POST")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_a_write_of_which_something_was_sent_never_falls_back(method: str) -> None:
    bold = replace(CATALOG, fallback=LegacyFallback(methods=EVERY))
    assert may_fall_back(bold, failure("connect", sent=False), method)
    for cause in CAUSES:
        assert not may_fall_back(bold, failure(cause), method)


def test_only_chosen_statuses_fall_back() -> None:
    assert may_fall_back(CATALOG, failure("status", status=503), "GET")
    assert not may_fall_back(CATALOG, failure("status", status=500), "GET")
    assert not may_fall_back(replace(CATALOG, fallback=None), failure("status", status=503), "GET")
