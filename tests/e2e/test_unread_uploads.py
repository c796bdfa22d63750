"""An upstream that responds without reading an upload: every client gets that response, and the next client its own."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.gunicorn_server import gunicorn
from tests.e2e.raw_http import BrokenMessage, Client, request

MIB = 1_048_576
TIMES = 12


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway with one worker, before gunicorn with sync and with gthread workers."""
    folder: Path = tmp_path_factory.mktemp("gunicorn")
    with (
        gunicorn(folder, "sync", "--workers", "2") as sync,
        gunicorn(folder, "gthread", "--threads", "4") as gthread,
        GatewayProcess(
            folder,
            {
                "upstreams": {"sync": {"endpoints": sync}, "gthread": {"endpoints": gthread}},
                "routes": [
                    {"name": name, "match": {"path": f"/{name}/**"}, "upstream": name} for name in ("sync", "gthread")
                ],
            },
        ) as running,
    ):
        yield running


def upload(gateway: GatewayProcess, path: str, size: int) -> str:
    """Send a body of `size` bytes as clients do that send all of it before they read; the outcome in a word."""
    with Client(gateway.port) as client:
        try:
            client.send(request(path, method="POST", body=b"x" * size))
        except ConnectionError:
            return "the body was refused"
        try:
            response = client.response()
        except (BrokenMessage, ConnectionError):
            return "no response"
        return f"{response.status} {response.body.decode()}"


@pytest.mark.parametrize("size", [1 * MIB, 4 * MIB, 10 * MIB])
@pytest.mark.parametrize("kind", ["sync", "gthread"])
def test_a_response_to_an_unread_upload_reaches_the_client_every_time(
    gateway: GatewayProcess, kind: str, size: int
) -> None:
    outcomes = Counter(upload(gateway, f"/{kind}/upload", size) for _ in range(TIMES))
    assert outcomes == {f"200 POST /{kind}/upload": TIMES}


def test_a_gthread_close_after_an_unread_upload_fails_no_small_post(gateway: GatewayProcess) -> None:
    outcomes: Counter[str] = Counter()
    for _ in range(5 * TIMES):
        assert upload(gateway, "/gthread/large", 200_000) == "200 POST /gthread/large"
        outcomes[upload(gateway, "/gthread/small", 20)] += 1
    assert outcomes == {"200 POST /gthread/small": 5 * TIMES}


def test_a_client_connection_goes_on_after_an_unread_upload(gateway: GatewayProcess) -> None:
    with Client(gateway.port) as client:
        for number in range(TIMES):
            with contextlib.suppress(BrokenMessage):
                client.send(request(f"/sync/{number}", method="POST", body=b"x" * 3 * MIB))
            response = client.response()
            assert (response.status, response.body) == (200, b"POST /sync/%d" % number)
