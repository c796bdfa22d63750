"""The access log and the event log: one JSON object a line, whatever clients and files hold, and never a token."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Start, provider, route
from tests.e2e.gateway_process import ROOT, GatewayProcess
from tests.e2e.raw_http import ask
from tests.e2e.recording_upstream import Call, RecordingUpstream
from tests.e2e.tokens import Issuer
from tests.e2e.waiting import wait_for

CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def lines(file: Path) -> list[dict[str, Any]]:
    """The objects of a log, each line checked for being one and for holding no raw control character."""
    *whole, rest = file.read_bytes().decode("utf-8").split("\n")
    assert rest == ""
    for line in whole:
        assert CONTROLS.search(line) is None, repr(line)
    found = [json.loads(line) for line in whole]
    assert all(isinstance(line, dict) for line in found)
    return found


def stopped(gateway: GatewayProcess) -> None:
    """End the gateway, so that its logs are whole."""
    gateway.process.send_signal(signal.SIGTERM)
    assert gateway.process.wait(60) == 0


@pytest.fixture(scope="module")
def upstream() -> Iterator[RecordingUpstream]:
    with RecordingUpstream("legacy") as running:
        yield running


def configuration(upstream: RecordingUpstream, **more: Any) -> dict[str, Any]:
    return {"upstreams": {"legacy": {"endpoints": [upstream.url]}}, "default": "legacy", **more}


ODD_TARGETS = [
    b"/plain",
    b'/quoted"and\\backslashed\\',
    b"/%22%0d%0a%1b[31m",
    b"/{'key':'value'}",
    b"/\x01",
    b"/\x1b[31m",
    b"/\x7f",
    b"/\x80\x9b31m",
    b"/caf\xc3\xa9",
    b"/caf\xe9",
    b"/\xff\xfe",
    b"/a\tb",
    b"/?query=\x00",
    b'http://shop.example/absolute"',
    b"*",
]
ODD_VALUES = [
    b'"',
    b"\\",
    b"\x1b[31m",
    b"\xff\xfe\xe9",
    b"\xc2\x9b",
    b"a\tb",
    b'","status":200,"x":"',
    b"\x01",
    b"\x7f",
]


def test_the_access_log_holds_whatever_clients_send_as_json(start: Start, upstream: RecordingUpstream) -> None:
    gateway = start(configuration(upstream))
    heads = [(b"GET", target, b"shop.example", b"") for target in ODD_TARGETS]
    for value in ODD_VALUES:
        heads += [
            (b"GET", b"/agent", b"shop.example", b"User-Agent: " + value + b"\r\n"),
            (b"GET", b"/id", b"shop.example", b"X-Request-Id: " + value + b"\r\n"),
            (b"GET", b"/trace", b"shop.example", b"traceparent: " + value + b"\r\n"),
            (b"GET", b"/host", value, b""),
            (value, b"/method", b"shop.example", b""),
        ]
    statuses = []
    for method, target, host, field in heads:
        with gateway.client() as client:
            client.send(b"%b %b HTTP/1.1\r\nHost: %b\r\n%bConnection: close\r\n\r\n" % (method, target, host, field))
            statuses.append(client.response().status)
    assert set(statuses) == {200, 400}
    stopped(gateway)
    found = lines(gateway.folder / "stdout")
    paths = [line["path"] for line in found]
    assert {"/plain", '/quoted"and\\backslashed\\', "/%22%0d%0a%1b[31m", '/absolute"'} <= set(paths)
    assert [line["status"] for line in found].count(200) == statuses.count(200)
    for line in found:
        assert re.fullmatch(r"[A-Za-z0-9._:/+=-]{1,128}", line["request_id"])
    lines(gateway.folder / "stderr")


@pytest.mark.parametrize("escape", [b".", b"%2E"])
def test_a_token_in_the_path_is_not_in_the_access_log(start: Start, upstream: RecordingUpstream, escape: bytes) -> None:
    token = escape.join([b"eyJhbGciOiJIUzI1NiJ9", b"eyJzdWIiOiJ1c2VyIn0", b"c2VjcmV0LXNpZ25hdHVyZQ"])
    gateway = start(configuration(upstream))
    targets = [b"/invitations/" + token + b"/accept", b"/x/" + token, b"/a/eyJ/b", b"/../" + token]
    for target in targets:
        with gateway.client() as client:
            client.send(b"GET %b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % target)
            client.response()
    stopped(gateway)
    found = lines(gateway.folder / "stdout")
    assert [line["path"] for line in found][:3] == ["/invitations/[redacted]/accept", "/x/[redacted]", "/a/eyJ/b"]
    assert "c2VjcmV0" not in (gateway.folder / "stdout").read_text()
    assert "c2VjcmV0" not in (gateway.folder / "stderr").read_text()


def test_what_a_token_says_of_its_caller_is_escaped(start: Start, upstream: RecordingUpstream, issuer: Issuer) -> None:
    config = configuration(upstream, auth={"providers": {"shop": provider("jwks.json")}})
    gateway = start({**config, "routes": [route("private", provider="shop")]})
    statuses = [
        ask(gateway.port, "/private/x", issuer.bearer(subject)).status
        for subject in (
            'quoted"\\',
            "two words",
            "line\nbreak",
            "\x1b[31m",
            "caf\N{LATIN SMALL LETTER E WITH ACUTE}",
            "",
        )
    ]
    assert statuses == [200, 401, 401, 401, 401, 401]
    stopped(gateway)
    assert [line["subject"] for line in lines(gateway.folder / "stdout")] == ['quoted"\\', *[""] * 5]


def test_a_token_is_in_no_log(start: Start, upstream: RecordingUpstream, issuer: Issuer, nobody: str) -> None:
    """Not whole and not in part, whether it was accepted or refused, and whatever became of the request."""
    providers = {
        "shop": provider("jwks.json"),
        "passing": provider("jwks.json", forward_token=True),
        "keyless": provider(f"{nobody}/jwks.json"),
        "secret": provider("jwks.json", algorithms=["HS256"], secret="${SHOP_SECRET}"),
    }
    del providers["secret"]["jwks"]
    secret = "5d41402abc4b2a76b9719d911017c592"

    @upstream.on("/passing/broken")
    def broken(call: Call) -> None:
        call.hang_up()

    config = configuration(
        upstream,
        auth={"providers": providers},
        routes=[
            route("private", provider="shop"),
            route("scoped", provider="shop", scopes=["orders:write"]),
            route("passing", provider="passing"),
            route("keyless", provider="keyless"),
            route("secret", provider="secret"),
            route("dead", "dead", provider="shop"),
        ],
    )
    config["upstreams"]["dead"] = {"endpoints": [nobody]}
    gateway = start(config, environment={"SHOP_SECRET": secret})
    tokens = [
        issuer.token(),
        issuer.token(exp=1),
        issuer.token(aud="other"),
        issuer.token(kid='made-up"\n\x1b[31m'),
        issuer.token(padding="x" * 9000),
        Issuer().token(),
        "not.a.token-at-all",
        "e30.e30.c2lnbmF0dXJl",
    ]
    statuses = set()
    for token in tokens:
        for path in ("private", "scoped", "passing", "keyless", "secret", "dead"):
            statuses.add(ask(gateway.port, f"/{path}/x", f"Authorization: Bearer {token}").status)
        for written in (f"bearer  {token}", f"Basic {token}", token, f"Bearer {token}, Bearer {token}"):
            statuses.add(ask(gateway.port, "/private/odd", f"Authorization: {written}").status)
        statuses.add(ask(gateway.port, "/private/two", *[f"Authorization: Bearer {token}"] * 2).status)
        statuses.add(ask(gateway.port, f"/private/query?access_token={token}").status)
        statuses.add(ask(gateway.port, "/passing/broken", f"Authorization: Bearer {token}").status)
    assert statuses == {200, 400, 401, 403, 414, 502, 503}
    gateway.write({**config, "defualt": "legacy"})
    wait_for(lambda: not gateway.status()["configuration"]["valid"], "the problem at /status")
    shown = gateway.admin("/status").text + gateway.admin("/metrics").text + gateway.admin("/routes").text
    stopped(gateway)
    logs = (gateway.folder / "stdout").read_text() + (gateway.folder / "stderr").read_text()
    assert logs.count("\n") > len(tokens) * 10
    for token in tokens:
        for part in token.split("."):
            if len(part) > 8 and part != "token-at-all":
                assert part not in logs
                assert part not in shown
    assert secret not in logs + shown
    lines(gateway.folder / "stdout")
    lines(gateway.folder / "stderr")


def test_events_hold_whatever_files_and_issuers_say_as_json(
    start: Start, upstream: RecordingUpstream, issuer: Issuer
) -> None:
    odd = 'odd"\\\x1b[31m\x7f\x9b\u2028\n'
    entries = [{"kty": odd, "kid": "\ud800"}, {**issuer.public_jwk(), "kid": odd, "use": odd}, issuer.public_jwk()]
    upstream.on("/odd.json")(lambda call: call.answer(json.dumps({"keys": entries}).encode()))
    config = configuration(upstream, auth={"providers": {"shop": provider(f"{upstream.url}/odd.json")}})
    gateway = start({**config, "routes": [route("private", provider="shop")]})
    assert ask(gateway.port, "/private/x", issuer.bearer()).status == 200
    assert len(gateway.status()["providers"]["shop"]["skipped"]) == 2
    gateway.write({**config, odd: 1})
    wait_for(lambda: not gateway.status()["configuration"]["valid"], "the problem at /status")
    stopped(gateway)
    [said] = [line for line in lines(gateway.folder / "stderr") if line["event"] == "key set fetched"]
    assert len(said["skipped"]) == 2
    problems = [line for line in lines(gateway.folder / "stderr") if "invalid" in line["event"]]
    assert odd in problems[0]["problems"][0]


@pytest.mark.parametrize("odd", ['"', "\\", "\n", "\x1b[31m", "\x7f", "\x9b", "\u2028", "\ud800", "caf\udce9", "\0"])
def test_an_event_is_one_line_of_json_whatever_it_holds(odd: str) -> None:
    """A file's name that is not UTF-8 comes as lone surrogates (PEP 383)."""
    script = (
        "import ast, sys, structlog; from pathlib import Path; from strangler.observe.logs import configure_logs\n"
        "configure_logs(); odd = ast.literal_eval(sys.argv[1]); log = structlog.get_logger(part=odd)\n"
        "log.error(odd, text=odd, file=Path(odd), several=[odd], by_name={odd: odd}, nothing=None, number=1.5)\n"
        "try:\n    raise ValueError(odd)\nexcept ValueError:\n    log.exception('failed')\n"
    )
    done = subprocess.run([sys.executable, "-c", script, ascii(odd)], cwd=ROOT, capture_output=True, check=True)
    assert done.stdout == b""
    assert re.search(rb"[^\x20-\x7e\n]", done.stderr) is None
    first, second = map(json.loads, done.stderr.splitlines())
    assert (first["event"], first["text"], first["several"], first["by_name"]) == (odd, odd, [odd], {odd: odd})
    assert first["level"] == second["level"] == "error"
    assert "ValueError" in second["exception"]


def test_times_are_utc_and_ordered(start: Start, upstream: RecordingUpstream) -> None:
    gateway = start(configuration(upstream))
    for _ in range(3):
        ask(gateway.port, "/timed")
    stopped(gateway)
    for name in ("stdout", "stderr"):
        times = [line["time"] for line in lines(gateway.folder / name)]
        assert times == sorted(times)
        for text in times:
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(\+00:00|Z)", text)
            assert text[:4] == time.strftime("%Y", time.gmtime())
