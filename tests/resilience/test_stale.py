"""Answers kept for when nobody can answer: which may be, for whom, for how long, in how much memory."""

from __future__ import annotations

import pytest

from strangler.model.resilience import Stale
from strangler.resilience.stale import OVERHEAD, StaleAnswers

KEY = (b"shop.example", b"/products")
PLAIN = [(b"Host", b"shop.example")]
OK = b"Content-Type: text/plain\r\n"


def answers(if_error: float = 60.0, memory: int = 100_000) -> StaleAnswers:
    return StaleAnswers(Stale(if_error, memory))


def test_a_plain_answer_to_a_read_is_kept_and_found_with_its_age() -> None:
    kept = answers()
    assert kept.may_keep("GET", 200, PLAIN, OK)
    kept.keep(KEY, PLAIN, OK + b"Age: 5\r\nContent-Length: 5\r\n", b"hello", 100.0)
    found = kept.find(KEY, PLAIN, 107.5)
    assert found is not None
    assert found.body == b"hello"
    assert found.head(107.5) == b"Content-Type: text/plain\r\nAge: 12\r\nContent-Length: 5\r\n"
    assert kept.find((b"other.example", b"/products"), PLAIN, 100.0) is None


@pytest.mark.parametrize(
    "control",
    [
        "no-store",
        "private",
        "no-cache",
        "must-revalidate",
        "proxy-revalidate",
        "s-maxage=60",
        "max-age=60, must-revalidate",
        'private="x-field"',
        "Max-Age=60,NO-STORE",
    ],
)
def test_what_must_not_be_served_stale_is_not_kept(control: str) -> None:
    assert not answers().may_keep("GET", 200, PLAIN, f"Cache-Control: {control}\r\n".encode())


def test_two_cache_control_fields_count_both() -> None:
    assert not answers().may_keep("GET", 200, PLAIN, b"Cache-Control: max-age=60\r\ncache-control: private\r\n")


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("POST", 200), ("GET", 404), ("GET", 206)])
def test_only_whole_answers_to_get_are_kept(method: str, status: int) -> None:
    assert not answers().may_keep(method, status, PLAIN, OK)


def test_answers_that_set_a_cookie_or_vary_by_anything_are_not_kept() -> None:
    assert not answers().may_keep("GET", 200, PLAIN, b"Set-Cookie: a=b\r\n")
    assert not answers().may_keep("GET", 200, PLAIN, b"Vary: Accept, *\r\n")


@pytest.mark.parametrize("name", [b"Authorization", b"cookie"])
def test_what_one_caller_got_is_not_shown_to_another(name: bytes) -> None:
    personal = [*PLAIN, (name, b"secret")]
    assert not answers().may_keep("GET", 200, personal, OK)
    assert answers().may_keep("GET", 200, personal, OK + b"Cache-Control: public\r\n")


def test_what_the_owner_of_a_certificate_got_is_not_shown_to_another() -> None:
    assert not answers().may_keep("GET", 200, PLAIN, OK, identified=True)
    assert answers().may_keep("GET", 200, PLAIN, OK + b"Cache-Control: public\r\n", identified=True)


@pytest.mark.parametrize("name", [b"X-Auth-Subject", b"x-forwarded-for", b"X-Client-Certificate-Subject"])
def test_what_depends_on_who_the_gateway_says_is_asking_is_not_kept(name: bytes) -> None:
    lines = OK + b"Cache-Control: public\r\nVary: Accept, " + name + b"\r\n"
    assert not answers().may_keep("GET", 200, PLAIN, lines)


def test_it_is_of_use_for_its_freshness_and_the_time_beyond() -> None:
    kept = answers(if_error=30.0)
    kept.keep(KEY, PLAIN, b"Cache-Control: max-age=60\r\nAge: 10\r\n", b"", 0.0)
    assert kept.find(KEY, PLAIN, 79.0) is not None
    assert kept.find(KEY, PLAIN, 80.0) is None


def test_stale_if_error_of_the_response_goes_before_the_configuration() -> None:
    kept = answers(if_error=30.0)
    kept.keep(KEY, PLAIN, b"Cache-Control: max-age=10, stale-if-error=5\r\n", b"", 0.0)
    assert kept.find(KEY, PLAIN, 14.0) is not None
    assert kept.find(KEY, PLAIN, 15.0) is None


def test_requests_must_be_alike_in_what_the_response_varies_by() -> None:
    kept = answers()
    german = [*PLAIN, (b"Accept-Language", b"de")]
    kept.keep(KEY, german, b"Vary: accept-language\r\n", b"hallo", 0.0)
    assert kept.find(KEY, german, 1.0) is not None
    assert kept.find(KEY, PLAIN, 1.0) is None


def test_a_client_may_refuse_what_was_stored() -> None:
    kept = answers()
    kept.keep(KEY, PLAIN, OK, b"", 0.0)
    assert kept.find(KEY, [*PLAIN, (b"Cache-Control", b"no-store")], 1.0) is None


def test_memory_is_bounded_and_the_longest_unused_goes_first() -> None:
    size = 1000
    kept = answers(memory=3 * (size + OVERHEAD + len("/0")))
    for number in range(4):
        kept.keep((b"", b"/%d" % number), PLAIN, b"", b"x" * size, 0.0)
        kept.find((b"", b"/0"), PLAIN, 0.0)
    found = [kept.find((b"", b"/%d" % number), PLAIN, 0.0) is not None for number in range(4)]
    assert found == [True, False, True, True]


def test_an_answer_larger_than_the_memory_is_not_kept() -> None:
    kept = answers(memory=1000)
    kept.keep(KEY, PLAIN, OK, b"x" * 2000, 0.0)
    assert kept.find(KEY, PLAIN, 0.0) is None
