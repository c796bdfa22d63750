"""An upstream whose lines end with a line feed alone: refused unless its `bare_lf` allows it, and framed anew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.raw_http import ask
from tests.e2e.recording_upstream import Call, RecordingUpstream

CGI = b"HTTP/1.0 200 It Worked\nContent-Type: text/html\nSet-Cookie: a=1\nX-Old: yes \n\n<p>hello</p>\n"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[GatewayProcess, RecordingUpstream]]:
    """A gateway before one upstream under two names, `old` with `bare_lf` and `new` without."""
    folder: Path = tmp_path_factory.mktemp("old")
    with RecordingUpstream("old") as upstream:
        config = {
            "upstreams": {"old": {"endpoints": upstream.url, "bare_lf": True}, "new": {"endpoints": upstream.url}},
            "routes": [{"name": name, "match": {"path": f"/{name}/**"}, "upstream": name} for name in ("old", "new")],
        }
        with GatewayProcess(folder, config) as running:
            yield running, upstream
        assert not upstream.failed, upstream.failed


def test_a_head_with_bare_line_feeds_is_normalized_where_allowed(
    gateway: tuple[GatewayProcess, RecordingUpstream],
) -> None:
    running, upstream = gateway

    @upstream.on("/old/cgi")
    def cgi(call: Call) -> None:
        call.send(CGI)
        call.hang_up()

    with running.client() as client:
        for _ in range(2):
            answer = client.request("/old/cgi")
            assert (answer.status, answer.body) == (200, b"<p>hello</p>\n")
            assert answer.value(b"Transfer-Encoding") == b"chunked"
            assert (answer.value(b"X-Old"), answer.value(b"Set-Cookie")) == (b"yes", b"a=1")
            assert b"\n" not in b"".join(name + value for name, value in answer.fields)


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\nContent-Length: 2\n\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\n\n"]
)
def test_a_kept_connection_of_bare_line_feeds_is_used_again(
    gateway: tuple[GatewayProcess, RecordingUpstream], head: bytes
) -> None:
    running, upstream = gateway
    path = f"/old/kept/{len(head)}"
    upstream.on(path)(lambda call: call.send(head if call.method == b"HEAD" else head + b"ok"))
    with running.client() as client:
        for method in ("GET", "HEAD", "GET"):
            answer = client.request(path, method=method)
            assert (answer.status, answer.body) == (200, b"" if method == "HEAD" else b"ok")
    assert len({one.connection for one in upstream.requests(path)}) == 1


@pytest.mark.parametrize(
    "response",
    [
        b"HTTP/1.1 200 OK\nContent-Length: 2\nContent-Length: 3\n\nok",
        b"HTTP/1.1 200 OK\nContent-Length: 2\nTransfer-Encoding: chunked\n\nok",
        b"HTTP/1.1 200 OK\nX: a\rContent-Length: 2\n\nok",
        b"HTTP/1.1 200 OK\nX: a\n b\nContent-Length: 2\n\nok",
        b"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n2\nok\n0\n\n",
    ],
    ids=["two lengths", "length and coding", "bare CR", "folded", "chunks of bare line feeds"],
)
def test_what_is_ambiguous_is_refused_all_the_same(
    gateway: tuple[GatewayProcess, RecordingUpstream], response: bytes
) -> None:
    running, upstream = gateway
    path = f"/old/ambiguous/{len(response)}"

    @upstream.on(path)
    def sends(call: Call) -> None:
        call.send(response)
        call.hang_up()

    assert ask(running.port, path).status == 502


def test_any_other_upstream_gets_502_for_a_bare_line_feed(gateway: tuple[GatewayProcess, RecordingUpstream]) -> None:
    running, upstream = gateway

    @upstream.on("/new/cgi")
    def cgi(call: Call) -> None:
        call.send(CGI)
        call.hang_up()

    answer = ask(running.port, "/new/cgi")
    assert answer.status == 502
    assert b"malformed" in answer.body
