"""`strangler capture`: a sample of what passes a running gateway, without secrets, that can be replayed."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from strangler.replay.har.reading import read_har
from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.preloaded import run_preloaded
from tests.e2e.recording_upstream import RecordingUpstream
from tests.e2e.waiting import wait_for

Start = Callable[..., GatewayProcess]
SECRETS = ("abc.def", "cookie-secret", "password-secret", "query-secret", "reader@shop.example", "set-secret")


@pytest.fixture
def extracted() -> Iterator[RecordingUpstream]:
    with RecordingUpstream("same") as running:
        yield running


@pytest.fixture
def legacy() -> Iterator[RecordingUpstream]:
    with RecordingUpstream("same") as running:
        yield running


@pytest.fixture
def gateway(start: Start, legacy: RecordingUpstream, extracted: RecordingUpstream) -> GatewayProcess:
    """A gateway whose migration `items` is shadowed, with a judge that listens."""
    for side in (legacy, extracted):
        side.on("/items/private")(
            lambda call: call.answer(
                b'{"id":1,"email":"reader@shop.example","access_token":"set-secret"}',
                b"Content-Type: application/json",
                b"Set-Cookie: session=set-secret; Path=/",
            )
        )
    migration = {
        "from": "legacy",
        "to": "extracted",
        "stage": "shadow",
        "shadow": {"noise_percent": 0, "redact": ["email"]},
        "routes": [{"name": "one", "match": {"path": "/items/{id}"}}],
    }
    quiet = {**migration, "stage": "legacy", "routes": [{"name": "quiet", "match": {"path": "/quiet"}}]}
    running = start(
        {
            "upstreams": {"legacy": {"endpoints": legacy.url}, "extracted": {"endpoints": extracted.url}},
            "default": "legacy",
            "migrations": {"items": migration, "quiet": quiet},
            "store": {"url": "sqlite:///store.sqlite3"},
        }
    )
    wait_for(lambda: running.status()["shadow"].get("ready"), "the judge to listen")
    return running


def capture(gateway: GatewayProcess, migration: str, out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return run_preloaded("capture", migration, "--out", out, "--config", gateway.path, *options, timeout=90)


def captured_while(gateway: GatewayProcess, out: Path, ask: Callable[[], Any], *options: str) -> str:
    """What `strangler capture items` says while `ask` is called over and over; it must end well."""

    def is_stored() -> bool:
        ask()
        return (gateway.path.parent / "store.sqlite3").exists()

    # The judge makes the store with its first pairs.
    wait_for(is_stored, "the store to be made")
    said: list[subprocess.CompletedProcess[str]] = []
    running = threading.Thread(target=lambda: said.append(capture(gateway, "items", out, *options)))
    running.start()
    while running.is_alive():
        ask()
        running.join(0.05)
    assert said[0].returncode == 0, said[0].stderr
    return said[0].stdout


def test_a_capture_holds_no_secrets_and_can_be_replayed(
    gateway: GatewayProcess, legacy: RecordingUpstream, extracted: RecordingUpstream, tmp_path: Path
) -> None:
    out = tmp_path / "traffic.har"
    with gateway.client() as client:

        def ask() -> None:
            client.request("/items/plain?x=%2F&x=2", "Accept: application/json")
            client.request("/items/private", "Authorization: Bearer abc.def", "Cookie: a=cookie-secret")
            client.request("/items/query?token=query-secret")
            client.request("/other")

        said = captured_while(gateway, out, ask, "--requests", "12")
    assert said == f"12 requests in {out}\n"
    assert out.stat().st_mode & 0o777 == 0o600
    text = out.read_text()
    for secret in SECRETS:
        assert secret not in text
    entries = json.loads(text)["log"]["entries"]
    assert {entry["response"]["status"] for entry in entries} == {200}
    assert not any("Set-Cookie" in str(entry["response"]["headers"]) for entry in entries)

    recording = read_har(out.read_bytes(), "traffic.har")
    assert {request.target for request in recording.requests} == {"/items/plain?x=%2F&x=2", "/items/private"}
    assert recording.skipped["target redacted"] > 0
    private = next(request for request in recording.requests if request.target == "/items/private")
    assert set(private.redacted) == {"Authorization", "Cookie"}
    plain = next(request for request in recording.requests if request.target != "/items/private")
    assert ("Accept", "application/json") in plain.headers
    assert not {name for name, _ in plain.headers} & {"X-Shadow", "Via", "X-Forwarded-For", "X-Request-Id"}

    done = run_preloaded("compare", "--legacy", legacy.url, "--extracted", extracted.url, "--har", out)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_capture_ends_after_its_duration(gateway: GatewayProcess, tmp_path: Path) -> None:
    out = tmp_path / "traffic.har"
    with gateway.client() as client:
        said = captured_while(gateway, out, lambda: client.request("/items/plain"), "--duration", "3s")
    assert int(said.split()[0]) == len(json.loads(out.read_text())["log"]["entries"]) > 0


def test_a_capture_ends_at_its_maximum_size(gateway: GatewayProcess, tmp_path: Path) -> None:
    out = tmp_path / "traffic.har"
    with gateway.client() as client:
        options = ("--duration", "4s", "--size", "4KiB")
        said = captured_while(gateway, out, lambda: client.request("/items/plain"), *options)
    assert 1 <= int(said.split()[0]) < 8


def test_a_capture_without_traffic_writes_no_file(gateway: GatewayProcess, tmp_path: Path) -> None:
    said = capture(gateway, "items", tmp_path / "traffic.har", "--duration", "100ms")
    assert said.returncode == 1
    assert said.stderr.splitlines() == [
        "capturing items for at most 0.1 s: send requests now",
        "strangler: no pair of items within 0.1 s",
    ]
    assert not list(tmp_path.glob("*.har*"))
    assert not list(tmp_path.glob(".traffic*"))


def test_capture_reports_what_it_cannot_capture(gateway: GatewayProcess, tmp_path: Path) -> None:
    for arguments, code, said in (
        (("quiet",), 1, "the migration 'quiet' is in stage legacy here, which copies no requests"),
        (("itemz",), 1, "there is no migration 'itemz' (did you mean 'items'?)"),
        (
            ("items", "--out", str(tmp_path / "missing" / "traffic.har")),
            1,
            "can't be written: No such file or directory",
        ),
        (("items", "--duration", "soon"), 2, "expected a duration"),
        (("items", "--size", "much"), 2, "expected a size"),
    ):
        migration, *options = arguments
        done = capture(gateway, migration, tmp_path / "traffic.har", *options)
        assert done.returncode == code
        assert said in done.stderr
