"""Which callers of a migration that is rolled out a worker counts, and which of them as failing or slow."""

from __future__ import annotations

from pathlib import Path

import pytest

from strangler.config.compile.rollout import Placement, placed
from strangler.config.load import load
from strangler.model.migration import CallerCounting
from strangler.model.snapshot import Snapshot
from strangler.observe.callers import MOST_IN_A_REPORT, CallersReport, CallerTally, NotedCaller, caller_digest
from strangler.observe.sketch import Sketch
from strangler.routing.split import Choice, bucket_of, choose, counted_key
from tests.proxy.in_process import Plane, run
from tests.routing.building import a_migration, a_request

YAML = """
version: 1
upstreams:
  old: {endpoints: ["http://127.0.0.1:1"]}
  new: {endpoints: ["http://127.0.0.1:2"]}
migrations:
  m:
    from: old
    to: new
    stage: rollout
    rollout: {}
    canary: {sticky: "header:X-Caller"}
    never: ["header:X-Group=never"]
    always: ["header:X-Group=always"]
    fallback: FALLBACK
    routes: [{name: all, match: {path: /**}}]
access_log: {enabled: false}
"""
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BROKEN = b"HTTP/1.1 500 Broken\r\nContent-Length: 2\r\n\r\nno"
EXTRACTED = next(name for name in "abcdefghij" if bucket_of("m", name) < 5000)
LEGACY = next(name for name in "abcdefghij" if bucket_of("m", name) >= 5000)


def snapshot(folder: Path, share: float = 0.5, slow_after: float = 60.0, fallback: str = "{}") -> Snapshot:
    file = folder / "gateway.yaml"
    file.write_text(YAML.replace("FALLBACK", fallback))
    loaded = load(file, {})
    counting = CallerCounting("scope", {"m/all": slow_after})
    return placed(loaded.snapshot, loaded.model, {"m": Placement(share, False, counting)})


def request(*fields: str) -> bytes:
    return "\r\n".join(("GET /x HTTP/1.1", "Host: shop.example", *fields, "", "")).encode()


def counted(snapshot: Snapshot, *exchanges: tuple[bytes, list[bytes]]) -> tuple[set[NotedCaller], dict[str, int]]:
    """Who is noted, and how many callers are seen on each side, after these requests and their upstreams' responses."""
    found: list[CallersReport] = []

    async def play() -> None:
        plane = Plane(snapshot)
        for sent, responses in exchanges:
            client = plane.client()
            client.feed(sent)
            await plane.settle()
            for response in responses:
                (upstream,) = plane.busy()
                if response:
                    upstream.feed(response)
                else:
                    upstream.protocol.connection_lost(None)
                await plane.settle()
        found.extend(plane.plane.report().callers)

    run(play)
    noted = {caller for report in found for caller in report.noted}
    return noted, {side: Sketch(registers).count() for report in found for side, registers in report.seen.items()}


def test_a_request_that_goes_well_only_shows_that_its_caller_came(tmp_path: Path) -> None:
    noted, seen = counted(snapshot(tmp_path), *((request(f"X-Caller: {name}"), [OK]) for name in (EXTRACTED, LEGACY)))
    assert noted == set()
    assert seen == {"legacy": 1, "extracted": 1}


@pytest.mark.parametrize(("caller", "side"), [(EXTRACTED, "extracted"), (LEGACY, "legacy")])
def test_a_caller_who_gets_a_5xx_has_failed_on_the_side_of_its_key(tmp_path: Path, caller: str, side: str) -> None:
    noted, _ = counted(snapshot(tmp_path, fallback="{enabled: false}"), (request(f"X-Caller: {caller}"), [BROKEN]))
    assert noted == {NotedCaller("errors", side, caller_digest("m", caller), "m/all", "status 500")}


def test_a_caller_whose_upstream_gives_no_response_has_failed(tmp_path: Path) -> None:
    noted, _ = counted(snapshot(tmp_path), (request(f"X-Caller: {LEGACY}"), [b""]))
    assert {(one.side, one.gate, one.reason) for one in noted} == {
        ("legacy", "errors", "The upstream closed the connection before its response was complete.")
    }


def test_a_fallback_is_a_failure_of_the_extracted_side(tmp_path: Path) -> None:
    noted, seen = counted(snapshot(tmp_path), (request(f"X-Caller: {EXTRACTED}"), [b"", OK]))
    assert {(one.side, one.gate, one.reason) for one in noted} == {
        ("extracted", "errors", "fallback to the legacy side")
    }
    assert seen == {"extracted": 1}


def test_a_caller_is_slow_whose_request_takes_longer_than_its_route_may(tmp_path: Path) -> None:
    noted, _ = counted(snapshot(tmp_path, slow_after=0.0), (request(f"X-Caller: {LEGACY}"), [OK]))
    assert {(one.side, one.gate, one.reason) for one in noted} == {("legacy", "latency", "more than 0 ms")}


def test_a_caller_who_fails_twice_is_noted_once(tmp_path: Path) -> None:
    failing = (request(f"X-Caller: {LEGACY}"), [BROKEN])
    noted, seen = counted(snapshot(tmp_path), failing, failing)
    assert len(noted) == 1
    assert seen == {"legacy": 1}


@pytest.mark.parametrize(
    "fields",
    [
        (),
        (f"X-Caller: {LEGACY}", "X-Group: never"),
        (f"X-Caller: {LEGACY}", "X-Group: always"),
    ],
)
@pytest.mark.parametrize("share", [0.5, 1.0])
def test_callers_whose_side_the_hash_did_not_draw_are_left_out(
    tmp_path: Path, fields: tuple[str, ...], share: float
) -> None:
    settings = snapshot(tmp_path, share, slow_after=0.0, fallback="{enabled: false}")
    assert counted(settings, (request(*fields), [BROKEN])) == (set(), {})


def test_a_caller_who_chose_the_side_is_left_out() -> None:
    migration = a_migration(sticky=["header:X-Caller"])
    request = a_request("GET /", ("X-Caller", LEGACY))
    assert counted_key(migration, request, None, Choice("legacy", "override header X-Side", overridden=True)) is None
    assert counted_key(migration, request, None, choose(migration, request, None)) == LEGACY


def test_with_all_callers_on_the_extracted_side_they_are_counted_there(tmp_path: Path) -> None:
    noted, seen = counted(snapshot(tmp_path, 1.0), (request(f"X-Caller: {LEGACY}"), [b"", OK]))
    assert {one.side for one in noted} == {"extracted"}
    assert seen == {"extracted": 1}


def test_without_a_scope_no_caller_is_counted(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(YAML.replace("FALLBACK", "{}"))
    assert counted(load(file, {}).snapshot, (request(f"X-Caller: {LEGACY}"), [BROKEN])) == (set(), {})


def test_a_report_and_the_memory_of_a_scope_are_bounded() -> None:
    tally = CallerTally()
    for caller in range(MOST_IN_A_REPORT + 5):
        tally.note("m", "scope", NotedCaller("errors", "legacy", caller, "m/all", "x" * 1000))
    (report,) = tally.take()
    assert len(report.noted) == MOST_IN_A_REPORT
    assert len(report.noted[0].reason) == 120
    tally.note("m", "scope", NotedCaller("errors", "legacy", MOST_IN_A_REPORT + 1, "m/all", "again"))
    (report,) = tally.take()
    assert [one.reason for one in report.noted] == ["again"]


def test_exchanges_of_an_earlier_scope_count_there(tmp_path: Path) -> None:
    tally = CallerTally()
    for scope in ("one", "two", "three", "two"):
        tally.note("m", scope, NotedCaller("errors", "legacy", 1, "m/all", "status 500"))
    assert [(report.scope, len(report.noted)) for report in tally.take()] == [("two", 1), ("three", 1)]
    tally.keep(set())
    assert tally.take() == []
