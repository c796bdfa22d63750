"""The service answers as the monolith does, to the byte: both run as processes, and are asked the same.

Every request is listed with the status that it should get, so that two sides that refuse it for the same
wrong reason don't pass for equal.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from .asked import ASKED, LIST
from .both_sides import both_sides
from .sides import MONOLITH, Case, Sides, answers, converse

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
    assert bool(service.body) == (case.method != "HEAD" and case.status != 304)


@pytest.mark.parametrize(
    "query", ["", "page_size=7", "q=a&in_stock=true&page_size=5", "ordering=-price&category=toys&page_size=4"]
)
def test_links_lead_through_all_pages_and_back(sides: Sides, query: str) -> None:
    """The links of one side are followed on the other."""
    target: str | None = f"{LIST}?{query}"
    forwards, backwards = [], []
    while target is not None:
        monolith, service = sides.ask(Case(200, "GET", target))
        assert monolith == service
        page = json.loads(service.body)
        forwards.append([product["id"] for product in page["results"]])
        target = page["next"]
    target = page["previous"]
    while target is not None:
        monolith, service = sides.ask(Case(200, "GET", target))
        assert monolith == service
        page = json.loads(service.body)
        backwards.append([product["id"] for product in page["results"]])
        target = page["previous"]
    assert backwards == forwards[-2::-1]
    assert sum(map(len, forwards)) == page["count"]


def test_requests_after_one_another_on_a_connection(sides: Sides) -> None:
    """Answers without a body, and bodies that were not wanted, don't spoil what comes after."""
    asked = [
        Case(200, "HEAD", LIST),
        Case(304, "GET", f"{LIST}/1", ("If-None-Match: *",)),
        Case(405, "POST", LIST, ("Transfer-Encoding: chunked",), b"5\r\nhello\r\n0\r\n\r\n"),
        Case(304, "HEAD", f"{LIST}/1", ("If-None-Match: {one}",)),
        Case(404, "PUT", f"{LIST}/0", (), b"x" * 1000),
        Case(200, "GET", f"{LIST}/1", (), b"GET / HTTP/1.1"),
    ]
    messages = [case.message(sides.texts, "keep-alive") for case in asked]
    messages.append(Case(400, "GET", f"{LIST}?page=x").message(sides.texts))
    both = [answers(converse(port, b"".join(messages))) for port in (sides.monolith, sides.service)]
    assert both[0] == both[1]
    assert [answer.status for answer in both[1]] == [200, 304, 405, 304, 404, 200, 400]
