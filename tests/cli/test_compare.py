"""`strangler compare` against two servers that answer as a test says."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from strangler.comparison.compare import Comparison
from strangler.comparison.response import Response
from strangler.comparison.rules import Rules
from strangler.replay import replay as replaying
from tests.cli.conftest import ROOT, Said, Strangler
from tests.e2e.recording_upstream import Call, RecordingUpstream
from tests.free_ports import free_ports

JSON = b"Content-Type: application/json"
CONFIGURATION = """
version: 1
upstreams:
  monolith: {endpoints: "http://127.0.0.1:1"}
  catalog: {endpoints: "http://127.0.0.1:2"}
default: monolith
migrations:
  catalog:
    from: monolith
    to: catalog
    stage: shadow
    shadow: {confirm_after: 0s}
    routes: [{match: {path: "/products/{id}", methods: [GET]}}, {match: {path: /categories}}]
    compare:
      rules: [{name: stock moves, json: $.stock, ignore: value}]
"""


@pytest.fixture
def legacy() -> Iterator[RecordingUpstream]:
    with RecordingUpstream("side") as running:
        yield running


@pytest.fixture
def extracted() -> Iterator[RecordingUpstream]:
    with RecordingUpstream("side") as running:
        yield running


Compare = Callable[..., Said]


@pytest.fixture
def compare(strangler: Strangler, legacy: RecordingUpstream, extracted: RecordingUpstream, tmp_path: Path) -> Compare:
    """Compares both sides over a list of URLs, or by other arguments."""

    def run(urls: str, *arguments: str | Path) -> Said:
        (tmp_path / "urls.txt").write_text(urls)
        given = ("--urls", tmp_path / "urls.txt") if urls else ()
        return strangler("compare", "--legacy", legacy.url, "--extracted", extracted.url, *given, *arguments)

    return run


def answers(upstream: RecordingUpstream, path: str, document: Any, status: bytes = b"200 OK") -> None:
    upstream.on(path)(lambda call: call.answer(json.dumps(document).encode(), JSON, status=status))


def test_equal_sides(compare: Compare) -> None:
    said = compare("/a\n/b?x=1\n/items/7\n/items/8\n")
    assert said.code == 0
    first = said.out.splitlines()[0]
    assert first == "None of 4 pairs is wrong: at 95 % confidence, fewer than 53 % of the responses are."
    assert "4 of 4 requests compared (100 %): 4 matched, 0 ignored, 0 mismatched" in said.out
    assert "GET /items/*" in said.out


def test_a_difference_is_named_once_with_an_example(
    compare: Compare, legacy: RecordingUpstream, extracted: RecordingUpstream
) -> None:
    for number in range(3):
        answers(legacy, f"/products/{number}", {"id": number, "price": "12.50", "tags": []})
        answers(extracted, f"/products/{number}", {"id": number, "price": "12.5"})
    said = compare("/products/0\n/products/1\n/products/2\n/other\n", "--concurrency", "1")
    assert said.code == 1
    lines = said.out.splitlines()
    assert lines[0].startswith("3 of 4 pairs are wrong (75 %): at 95 % confidence, at most ")
    assert "4 of 4 requests compared (100 %): 1 matched, 0 ignored, 3 mismatched" in said.out
    place = lines.index("high 3 x missing at $.tags  GET /products/*")
    assert lines[place + 1].endswith("urls.txt:1: GET /products/0")
    assert lines[place + 2] == "  $.tags: legacy [], extracted nothing"
    assert "medium 3 x value at $.price  GET /products/*" in lines
    assert '  $.price: legacy "12.50", extracted "12.5"' in lines


def test_json(compare: Compare, legacy: RecordingUpstream, extracted: RecordingUpstream) -> None:
    answers(legacy, "/products/1", {"stock": 1})
    answers(extracted, "/products/1", {"stock": 2})
    said = compare("/products/1\n/other\nPOST /orders\n", "--json")
    assert said.code == 1
    report = said.json
    assert report["equivalent"] is False
    assert (report["compared"], report["matched"], report["mismatched"]) == (2, 1, 1)
    assert report["skipped"] == {"method POST": 1}
    (signature,) = report["signatures"]
    assert signature["signature"] == "value $.stock"
    assert signature["operations"] == ["GET /products/*"]
    example = signature["example"]
    assert (example["request"]["method"], example["request"]["target"]) == ("GET", "/products/1")
    (difference,) = example["differences"]
    assert (difference["legacy"], difference["extracted"]) == ("1", "2")
    assert [one["operation"] for one in report["latencies"]] == ["GET /other", "GET /products/*"]
    assert report["latencies"][0]["legacy"]["p99"] > 0


def test_the_rules_and_routes_of_a_migration(
    compare: Compare, legacy: RecordingUpstream, extracted: RecordingUpstream, tmp_path: Path
) -> None:
    answers(legacy, "/products/1", {"stock": 1})
    answers(extracted, "/products/1", {"stock": 2})
    (tmp_path / "gateway.yaml").write_text(CONFIGURATION)
    said = compare(
        "/products/1\n/products/1/reviews\n/other\n", "--config", tmp_path / "gateway.yaml", "--migration", "catalog"
    )
    assert said.code == 0, said.out
    assert "1 of 1 requests compared (100 %): 0 matched, 1 ignored, 0 mismatched" in said.out
    assert "2 not replayed: not of migration catalog 2" in said.out
    assert "ignored: stock moves 1" in said.out
    assert "GET /products/{id}" in said.out
    assert "no pair yet" in said.out  # the other route
    assert not legacy.requests("/other")


def test_a_mismatch_that_a_repeat_does_not_confirm_is_racy(
    compare: Compare, legacy: RecordingUpstream, tmp_path: Path
) -> None:
    counted = iter(range(100))

    @legacy.on("/products/1")
    def changing(call: Call) -> None:
        call.answer(b'{"served by":"%b"}' % (b"side" if next(counted) else b"other"), JSON)

    (tmp_path / "gateway.yaml").write_text(CONFIGURATION)
    said = compare("/products/1\n/products/2", "--config", tmp_path / "gateway.yaml", "--migration", "catalog")
    assert said.code == 0, said.out
    assert "not compared: racy 1" in said.out
    assert len(legacy.requests("/products/1")) == 2


def test_unsafe_methods_are_replayed_only_if_named_and_once(
    compare: Compare, legacy: RecordingUpstream, extracted: RecordingUpstream
) -> None:
    answers(legacy, "/orders", {"id": 1}, b"201 Created")
    answers(extracted, "/orders", {"id": 2}, b"201 Created")
    assert "1 not replayed: method POST 1" in compare("POST /orders\n/a").out
    assert not legacy.requests("/orders")
    said = compare("POST /orders\n/a", "--methods", "post,GET")
    assert said.code == 1
    assert len(legacy.requests("/orders")) == len(extracted.requests("/orders")) == 1
    assert legacy.last("/orders").values(b"content-length") == [b"0"]


def test_both_sides_get_the_request_as_it_was_recorded(
    compare: Compare, legacy: RecordingUpstream, extracted: RecordingUpstream, tmp_path: Path
) -> None:
    target = "/a/../b//%2e%2F?x=%zz&&y"
    request = {
        "method": "PUT",
        "url": f"https://shop.example{target}",
        "headers": [
            {"name": name, "value": value}
            for name, value in (
                ("X-One", "1"),
                ("Authorization", "[redacted]"),
                ("x-one", "ü"),
                ("Content-Type", "text/plain"),
                ("Accept-Encoding", "gzip, compress"),
            )
        ],
        "postData": {"mimeType": "text/plain", "text": "body"},
    }
    (tmp_path / "shop.har").write_text(json.dumps({"log": {"entries": [{"request": request}]}}))
    said = compare(
        "", "--har", tmp_path / "shop.har", "--methods", "PUT", "-H", "X-Tenant: acme", "--host", "shop.example"
    )
    assert said.code == 0, said.out + said.err
    assert "1 requests were recorded without the value of Authorization: set it with -H 'Authorization: …'" in said.out
    for side in (legacy, extracted):
        (received,) = side.received
        assert received.line == f"PUT {target} HTTP/1.1".encode()
        assert received.fields == [
            (b"Host", b"shop.example"),
            (b"X-One", b"1"),
            (b"x-one", "ü".encode()),
            (b"Content-Type", b"text/plain"),
            (b"Accept-Encoding", b"gzip"),
            (b"X-Tenant", b"acme"),
            (b"Content-Length", b"4"),
        ]
        assert received.body == b"body"


def test_a_header_that_is_given_replaces_the_recorded_one(
    compare: Compare, legacy: RecordingUpstream, tmp_path: Path
) -> None:
    request = {"method": "GET", "url": "http://x/a", "headers": [{"name": "Authorization", "value": "Bearer old"}]}
    (tmp_path / "shop.har").write_text(json.dumps({"log": {"entries": [{"request": request}]}}))
    said = compare("", "--har", tmp_path / "shop.har", "-H", "authorization: Bearer new")
    assert said.code == 0
    assert legacy.last("/a").values(b"authorization") == [b"Bearer new"]
    assert legacy.last("/a").value(b"host") == legacy.url.removeprefix("http://").encode()
    assert "Bearer" not in said.out


def test_redirects_and_cookies_are_compared_not_followed(
    compare: Compare, legacy: RecordingUpstream, extracted: RecordingUpstream
) -> None:
    for side in (legacy, extracted):
        side.on("/old")(
            lambda call: call.answer(b"", b"Location: /new", b"Set-Cookie: a=b; Path=/", status=b"302 Found")
        )
    assert compare("/old\n/a\n", "--concurrency", "1").code == 0
    assert not legacy.requests("/new")
    assert legacy.last("/a").value(b"cookie") is None


def test_a_side_that_does_not_answer_is_no_match(compare: Compare, extracted: RecordingUpstream) -> None:
    extracted.on("/a")(lambda call: call.hang_up())
    said = compare("/a\n/b\n")
    assert said.code == 1
    assert "failed to answer: no response 1" in said.out
    assert f"no response: {extracted.url}: Server disconnected without sending a response." in said.out


def test_two_equal_errors_prove_nothing(
    compare: Compare, legacy: RecordingUpstream, extracted: RecordingUpstream
) -> None:
    for side in (legacy, extracted):
        answers(side, "/a", {"error": "x"}, b"500 Internal Server Error")
    said = compare("/a\n")
    assert said.code == 1
    assert "1 of 1 requests compared (100 %): 1 matched" in said.out
    assert "; 1 pair of equal errors not counted" in said.out
    assert said.out.splitlines()[0] == "There is no evidence yet."


def test_no_more_requests_at_a_time_than_allowed(
    compare: Compare, legacy: RecordingUpstream, extracted: RecordingUpstream
) -> None:
    lock, waiting, most = threading.Lock(), [0], [0]
    both = threading.Barrier(2, timeout=10)

    def script(call: Call) -> None:
        with lock:
            waiting[0] += 1
            most[0] = max(most[0], waiting[0])
        both.wait()
        with lock:
            waiting[0] -= 1
        call.answer(b"{}", JSON)

    for number in range(6):
        legacy.on(f"/{number}")(script)
        answers(extracted, f"/{number}", {})
    said = compare("".join(f"/{number}\n" for number in range(6)), "--concurrency", "2")
    assert said.code == 0, said.out
    assert most == [2]


def test_requests_wait_for_their_turn_where_there_is_a_rate(compare: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of the pace stands still, so that each request waits for all those before it."""
    pauses: list[float] = []
    pause = asyncio.sleep

    async def note(seconds: float) -> None:
        pauses.append(round(seconds, 6))
        await pause(0)

    monkeypatch.setattr(replaying, "monotonic", lambda: 1000.0)
    monkeypatch.setattr(replaying.asyncio, "sleep", note)
    assert compare("/a\n/b\n/c\n/d\n", "--rate", "10").code == 0
    assert pauses == [0, 0.1, 0.2, 0.3]


def interrupted(
    legacy: RecordingUpstream, extracted: RecordingUpstream, folder: Path, how: signal.Signals, *options: str
) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a comparison that gets a signal while its second request is open."""
    legacy.on("/b")(lambda call: call.wait_hang_up())
    (folder / "urls.txt").write_text("/a\n/b\n/c\n")
    command = [sys.executable, "-m", "strangler.cli", "compare", "--legacy", legacy.url, "--extracted", extracted.url]
    process = subprocess.Popen(
        [*command, "--urls", folder / "urls.txt", "--concurrency", "1", *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    legacy.last("/b")
    process.send_signal(how)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_ctrl_c_reports_what_was_compared(
    legacy: RecordingUpstream, extracted: RecordingUpstream, tmp_path: Path
) -> None:
    code, out, err = interrupted(legacy, extracted, tmp_path, signal.SIGINT)
    assert code == 1
    assert err == "interrupted after 1 requests\n"
    assert "1 of 1 requests compared (100 %): 1 matched" in out


def test_sigterm_reports_what_was_compared_as_ctrl_c_does(
    legacy: RecordingUpstream, extracted: RecordingUpstream, tmp_path: Path
) -> None:
    code, out, err = interrupted(legacy, extracted, tmp_path, signal.SIGTERM, "--json")
    assert (code, err) == (1, "interrupted after 1 requests\n")
    assert json.loads(out)["compared"] == 1


def test_an_internal_error_costs_one_pair(
    compare: Compare, legacy: RecordingUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = replaying.compare

    def failing(one: Response, other: Response, rules: Rules) -> Comparison:
        if b"odd" in one.body:
            raise RecursionError("too deep for us \ud800")
        return original(one, other, rules)

    monkeypatch.setattr(replaying, "compare", failing)
    answers(legacy, "/odd", {"odd": 1})
    said = compare("/a\n/odd\n/b\n", "--concurrency", "1")
    assert said.code == 1
    assert "2 of 3 requests compared (67 %): 2 matched" in said.out
    assert "not compared: failed here 1" in said.out
    assert "failed here: GET /odd: RecursionError: too deep for us \\ud800 (test_compare.py, line " in said.out
    report = compare("/a\n/odd\n", "--json").json
    assert report["equivalent"] is False
    assert report["not_compared"] == {"failed here": 1}


def test_an_internal_error_with_an_example_counts_the_pair_once(
    compare: Compare, legacy: RecordingUpstream, extracted: RecordingUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise ValueError("no example")

    monkeypatch.setattr("strangler.replay.results.documented", failing)
    answers(legacy, "/differs", {"a": 1})
    answers(extracted, "/differs", {"a": 2})
    report = compare("/a\n/differs\n/b\n", "--json").json
    assert (report["compared"], report["mismatched"], report["not_compared"]) == (2, 0, {"failed here": 1})


def test_odd_entries_of_an_archive_do_not_end_the_run(
    compare: Compare, legacy: RecordingUpstream, tmp_path: Path
) -> None:
    entries = [
        {"request": {"method": "GET", "url": "http://x/\ud800", "headers": []}},
        {"request": {"method": "GET", "url": "http://x/fine", "headers": [{"name": "X-A", "value": " padded\t"}]}},
        {"request": {"method": "GET", "url": "http://x:80/too", "headers": [{"name": "a b", "value": ""}]}},
        {"request": {"method": "GET", "url": "http://x:80/also", "headers": []}},
        {"request": {"method": "GET", "url": "https://other.example/", "headers": []}},
    ]
    (tmp_path / "shop.har").write_text(json.dumps({"log": {"entries": entries}}))
    said = compare("", "--har", tmp_path / "shop.har")
    assert said.code == 0, said.out + said.err
    assert "2 of 2 requests compared (100 %): 2 matched" in said.out
    assert "3 not replayed: can't be read 2, host other.example 1" in said.out
    assert f"not read: {tmp_path / 'shop.har'}, entry 1: " in said.out
    assert legacy.last("/fine").value(b"X-A") == b"padded"
    said = compare("", "--har", tmp_path / "shop.har", "--origin", "https://other.example")
    assert "1 of 1 requests compared (100 %): 1 matched" in said.out


def test_a_page_that_cannot_be_written_leaves_the_report(compare: Compare, tmp_path: Path) -> None:
    (tmp_path / "page").mkdir()
    said = compare("/a\n", "--html", tmp_path / "page")
    assert said.code == 1
    assert f"strangler: {tmp_path / 'page'} can't be written: Is a directory" in said.err
    assert "1 of 1 requests compared (100 %): 1 matched" in said.out
    said = compare("/a\n", "--html", tmp_path / "nowhere" / "page.html")
    assert (said.code, said.out) == (2, "")
    assert "--html: there is no folder" in said.err


def test_a_dead_side(strangler: Strangler, legacy: RecordingUpstream, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    (tmp_path / "urls.txt").write_text("/a\n")
    said = strangler(
        "compare", "--legacy", legacy.url, "--extracted", f"http://127.0.0.1:{port}", "--urls", tmp_path / "urls.txt"
    )
    assert said.code == 1
    assert f"http://127.0.0.1:{port}: All connection attempts failed" in said.out


def test_openapi(compare: Compare, legacy: RecordingUpstream, tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(
        """
openapi: 3.0.3
paths:
  /products/{id}:
    get: {parameters: [{name: id, in: path, required: true, schema: {type: integer}, example: 7}]}
  /orders/{id}:
    get: {parameters: [{name: id, in: path, required: true, schema: {type: integer}}]}
"""
    )
    said = compare("", "--openapi", tmp_path / "shop.yaml")
    assert said.code == 0
    assert "GET /products/{id}" in said.out
    assert "not filled: GET /orders/{id}: no example, default or enum for the path parameter 'id'" in said.out
    assert [request.target for request in legacy.received] == [b"/products/7"]


def test_control_characters_of_a_side_are_escaped(
    compare: Compare, legacy: RecordingUpstream, extracted: RecordingUpstream
) -> None:
    for side, text in ((legacy, b"a\x1b[2J"), (extracted, "b\x9b2J".encode())):
        side.on("/a")(lambda call, text=text: call.answer(text, b"Content-Type: text/plain; charset=utf-8"))
    said = compare("/a\n")
    assert r"legacy a\x1b[2J, extracted b\x9b2J" in said.out


def test_values_of_redacted_fields_are_not_shown(
    compare: Compare, legacy: RecordingUpstream, extracted: RecordingUpstream
) -> None:
    for number, side in enumerate((legacy, extracted)):
        answers(side, "/session", {"user": number, "access_token": f"very-secret-{number}"})
    said = compare("/session?token=also-secret\n", "--json")
    assert said.code == 1
    assert "value $.access_token" in said.out
    assert "secret" not in said.out.replace("client_secret", "")


def test_html(compare: Compare, legacy: RecordingUpstream, extracted: RecordingUpstream, tmp_path: Path) -> None:
    answers(legacy, "/products/1", {"name": "<b>"})
    answers(extracted, "/products/1", {"name": "<i>"})
    said = compare("/products/1\n", "--html", tmp_path / "report.html")
    assert said.code == 1
    page = (tmp_path / "report.html").read_text()
    assert "urls.txt:1" in page
    assert "&lt;i&gt;" in page
    assert "<i>" not in page
    assert "strangler shadow show" not in page


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--urls", "urls.txt", "--har", "x.har"), "give one of --har, --openapi and --urls"),
        ((), "give one of --har, --openapi and --urls"),
        (("--urls", "missing.txt"), "missing.txt"),
        (("--har", "urls.txt"), "urls.txt: not JSON"),
        (("--urls", "urls.txt", "--config", "x.yaml"), "--config and --migration go together"),
        (("--urls", "urls.txt", "--config", "gateway.yaml", "--migration", "x"), "no migration 'x'; known: catalog"),
        (("--urls", "urls.txt", "--config", "broken.yaml", "--migration", "x"), "broken.yaml:"),
        (("--urls", "urls.txt", "--legacy", "shop.example"), "--legacy must be an http(s) URL"),
        (("--urls", "urls.txt", "--extracted", "http://x/api"), "--extracted must be an http(s) URL"),
        (("--urls", "urls.txt", "--legacy", "http://a:b@x"), "can't hold a user name"),
        (("--urls", "urls.txt", "-H", "nonsense"), "-H 'nonsense': expected 'NAME: VALUE'"),
        (("--urls", "urls.txt", "-H", "Host: x"), "-H 'Host': expected 'NAME: VALUE' of a header that a client may"),
        (("--urls", "urls.txt", "--origin", "http://x"), "--origin requires --har"),
        (
            ("--har", "urls.txt", "--origin", "https://x/path"),
            "--origin: expected an origin such as https://shop.example",
        ),
        (("--urls", "urls.txt", "--methods", "GET, P T"), "--methods: "),
    ],
)
def test_wrong_usage(
    strangler: Strangler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "urls.txt").write_text("/a\n")
    (tmp_path / "gateway.yaml").write_text(CONFIGURATION)
    (tmp_path / "broken.yaml").write_text("version: 1\nupstreams: 7\n")
    sides = ("--legacy", "http://127.0.0.1:1", "--extracted", "http://127.0.0.1:2")
    result = strangler("compare", *sides, *arguments)
    assert result.code == 2
    assert said in result.err
    assert result.out == ""
