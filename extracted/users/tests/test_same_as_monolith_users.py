"""The service answers as the monolith does, to the byte: both run as processes, and are asked the same.

Every request is listed with the status that it should get, so that two sides that refuse it for the same
wrong reason don't pass for equal.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .asked import ADMIN, ALICE, ASKED, BAD_BODIES, BAD_VALUES, BOB, CHANGES, CHUNKED, JSON, ME
from .both_sides import both_sides
from .sides import MONOLITH, Answer, Case, Sides, answers, converse

pytestmark = pytest.mark.skipif(not (MONOLITH / "manage.py").is_file(), reason="the monolith is not in this checkout")


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sides]:
    with both_sides(tmp_path_factory.mktemp("sides")) as found:
        yield found[""]


@pytest.mark.parametrize("case", ASKED, ids=str)
def test_same_answer(sides: Sides, case: Case) -> None:
    monolith, service = sides.ask(case)
    assert monolith == service
    assert service.status == case.status
    assert service.body or case.method == "HEAD"


def test_changes_have_the_same_effect(sides: Sides) -> None:
    """After each change, on both sides, both the caller and others see the same."""
    for text in CHANGES:
        shown = changed(sides, Case(200, "PATCH", ME, (BOB, JSON), text.encode()))
        assert shown.body == seen(sides, ME, BOB) == seen(sides, "/api/users/2", ADMIN)


@pytest.mark.parametrize(
    "headers",
    [
        ("Content-Type: APPLICATION/Json",),
        ("Content-Type: application/json;charset=latin-1",),
        ("Content-Type: application/json ; charset=utf-16; x",),
        ("Content-Type:  \tapplication/json\t ",),
        (JSON, "Expect: 100-continue"),
        (JSON, 'If-Match: "x"'),
        (JSON, "Origin: https://evil.example"),
        (JSON, "Content-Encoding: gzip"),
    ],
    ids=str,
)
def test_headers_of_a_change(sides: Sides, headers: tuple[str, ...]) -> None:
    body = '{"full_name":"Bob Ü"}'.encode()
    changed(sides, Case(200, "PATCH", ME, (BOB, *headers), body))


@pytest.mark.parametrize(
    "body",
    [
        b'12\r\n{"full_name":"Bob"\r\n1;x="y"\r\n}\r\n0\r\n\r\n',
        b'013\r\n{"full_name":"Bob"}\r\n000\r\nX-Trailer: 1\r\n\r\n',
        b"10000\r\n" + b'{"full_name":"Bob"}'.ljust(65536) + b"\r\n0\r\n\r\n",
    ],
    ids=lambda body: repr(body[:20]),
)
def test_a_change_in_chunks(sides: Sides, body: bytes) -> None:
    assert b'"full_name":"Bob"' in changed(sides, Case(200, "PATCH", ME, (BOB, JSON, CHUNKED), body)).body


def test_a_change_of_the_greatest_size(sides: Sides) -> None:
    changed(sides, Case(200, "PATCH", ME, (BOB, JSON), b'{"full_name":"Bob"}'.ljust(65536)))


def test_what_was_refused_has_changed_nothing(sides: Sides) -> None:
    before = seen(sides, ME, ALICE)
    for case in (*BAD_VALUES, *BAD_BODIES):
        sides.ask(case)
    assert seen(sides, ME, ALICE) == before


def test_requests_after_one_another_on_a_connection(sides: Sides) -> None:
    """A body that was not wanted, and an answer without one, don't spoil what comes after."""
    asked = [
        Case(401, "PATCH", ME, (JSON,), b'{"full_name":"GET / HTTP/1.1"}'),
        Case(200, "HEAD", ME, (ALICE,)),
        Case(405, "POST", ME, (ALICE, CHUNKED), b"5\r\nhello\r\n0\r\n\r\n"),
        Case(415, "PATCH", ME, (ALICE,), b"x" * 1000),
        Case(404, "POST", "/api/users", (), b"x"),
    ]
    messages = [case.message(sides.texts, "keep-alive") for case in asked]
    messages.append(Case(200, "GET", ME, (ALICE,)).message(sides.texts))
    both = [answers(converse(port, b"".join(messages))) for port in (sides.monolith, sides.service)]
    assert both[0] == both[1]
    assert [answer.status for answer in both[1]] == [401, 200, 405, 415, 404, 200]


def changed(sides: Sides, case: Case) -> Answer:
    """The answer to a change, the same on both sides."""
    monolith, service = sides.ask(case)
    assert monolith == service
    assert service.status == 200
    return service


def seen(sides: Sides, target: str, authorization: str) -> bytes:
    """What both sides show at a target."""
    monolith, service = sides.ask(Case(200, "GET", target, (authorization,)))
    assert monolith == service
    return service.body
