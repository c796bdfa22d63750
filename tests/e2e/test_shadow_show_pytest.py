"""`strangler shadow show --pytest`: a pair that a gateway found becomes a test, which fails until it is repaired."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.preloaded import run_preloaded
from tests.e2e.recording_upstream import RecordingUpstream
from tests.e2e.waiting import wait_for

Start = Callable[..., GatewayProcess]
JSON = b"Content-Type: application/json"
TARGET = "/items/1?q=%C3%A9"


@pytest.fixture
def extracted() -> Iterator[RecordingUpstream]:
    with RecordingUpstream("extracted") as running:
        yield running


def strangler(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return run_preloaded("shadow", *arguments)


def pair_of(gateway: GatewayProcess) -> str:
    """The number of the one mismatch that the gateway has found."""

    def report() -> Any:
        said = strangler("report", "items", "--json", "--config", gateway.path)
        return orjson.loads(said.stdout)["signatures"] if said.stdout else None

    return str(wait_for(report, "the mismatch in the report")[0]["examples"][0])


def configuration(legacy: RecordingUpstream, extracted: RecordingUpstream, store: str) -> dict[str, Any]:
    return {
        "upstreams": {"legacy": {"endpoints": legacy.url}, "extracted": {"endpoints": extracted.url}},
        "default": "legacy",
        "migrations": {
            "items": {
                "from": "legacy",
                "to": "extracted",
                "stage": "shadow",
                "shadow": {"confirm_after": "0s", "noise_percent": 0, "store": store},
                "routes": [{"name": "one", "match": {"path": "/items/{id}"}}],
            }
        },
        "store": {"url": "sqlite:///store.sqlite3"},
    }


def test_show_pytest_makes_a_test_of_a_pair(
    start: Start, upstream: RecordingUpstream, extracted: RecordingUpstream, tmp_path: Path
) -> None:
    upstream.on("/items/1")(lambda call: call.answer(b'{"id":1,"price":"12.50"}', JSON))
    extracted.on("/items/1")(lambda call: call.answer(b'{"id":1,"price":"12.5"}', JSON))
    gateway = start(configuration(upstream, extracted, "values"))
    wait_for(lambda: gateway.status()["shadow"].get("ready"), "the judge to listen")
    with gateway.client() as client:
        client.request(TARGET, "Authorization: Bearer abc.def", "Accept: application/json", "Cookie: a=b")
    number = pair_of(gateway)
    said = strangler("show", number, "--pytest", "--config", gateway.path)
    assert said.returncode == 0, said.stderr
    assert "abc.def" not in said.stdout
    (tmp_path / "suite").mkdir()
    (tmp_path / "suite" / "test_pair.py").write_text(said.stdout)

    def run() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path / "suite")]
        environment = {**os.environ, "TOKEN": "fresh"}
        return subprocess.run(
            command, cwd=tmp_path / "suite", env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    failed = run()
    assert failed.returncode == 1, failed.stdout
    assert "value at $.price" in failed.stdout
    asked = extracted.requests("/items/1")[-1]
    assert asked.target == TARGET.encode()
    assert asked.value(b"authorization") == b"Bearer fresh"
    assert asked.value(b"accept") == b"application/json"
    assert asked.value(b"cookie") is None
    assert asked.value(b"x-shadow") is None

    extracted.on("/items/1")(lambda call: call.answer(b'{"price":"12.50","id":1}', JSON))
    assert run().returncode == 0


def test_show_pytest_refuses_a_pair_stored_as_digests(
    start: Start, upstream: RecordingUpstream, extracted: RecordingUpstream
) -> None:
    upstream.on("/items/1")(lambda call: call.answer(b'{"id":1}', JSON))
    extracted.on("/items/1")(lambda call: call.answer(b'{"id":2}', JSON))
    gateway = start(configuration(upstream, extracted, "digests"))
    wait_for(lambda: gateway.status()["shadow"].get("ready"), "the judge to listen")
    with gateway.client() as client:
        client.request("/items/1")
    number = pair_of(gateway)
    said = strangler("show", number, "--pytest", "--config", gateway.path)
    assert said.returncode == 1
    assert said.stderr == (
        f"strangler: only digests of pair {number} are stored; a test requires `store: values` in its migration\n"
    )
