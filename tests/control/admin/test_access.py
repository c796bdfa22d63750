"""Who may use the admin API: names, origins, and tokens on loopback and beyond."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from strangler.config.compile.admin import AdminAccess
from strangler.model.listener import ListenAddress
from tests.control.admin.gateways import ACCESS, OPERATE, READ, AdminApi, ShownGateway
from tests.shadow.pairs import snapshot

PAUSE = ("POST", "/rollouts/items/pause")
WRONG = "w" * 32


@pytest.fixture
def beyond(tmp_path: Path) -> AdminApi:
    """The admin API beyond loopback."""
    return AdminApi(ShownGateway(snapshot(tmp_path)), listener=ListenAddress("0.0.0.0", 8081))


def test_loopback_reads_without_a_token(api: AdminApi) -> None:
    for path in ("/livez", "/readyz", "/metrics", "/status", "/routes", "/rollouts"):
        assert api.get(path).status_code == 200, path


def test_beyond_loopback_only_probes_need_no_token(beyond: AdminApi) -> None:
    for path in ("/livez", "/readyz", "/readyz?strict=1"):
        assert beyond.get(path).status_code == 200, path
    for path in ("/metrics", "/status", "/routes", "/rollouts", "/nothing", "/livez/"):
        response = beyond.get(path)
        assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer"), path
        assert response.json()["detail"] == "This requires a token that may read."
    assert beyond.get("/metrics", token=READ).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "X"])
def test_other_methods_than_get_and_head_need_a_token_on_loopback(api: AdminApi, method: str) -> None:
    for path in ("/status", "/freeze", "/rollouts/items/pause", "/nothing"):
        assert api.request(method, path).status_code == 401, path
    assert api.request("HEAD", "/status").status_code == 200


def test_a_token_that_may_read_can_not_operate(api: AdminApi) -> None:
    refused = api.request(*PAUSE, token=READ, json={})
    assert refused.status_code == 403
    assert refused.headers["www-authenticate"] == 'Bearer error="insufficient_scope"'
    assert refused.json()["detail"] == "The token of 'prometheus' may read; this requires one that may operate."
    assert api.rollouts.orders == []
    assert api.request(*PAUSE, token=OPERATE, json={}).status_code == 200


@pytest.mark.parametrize(
    "credentials",
    [f"Bearer {WRONG}", "Bearer", "Bearer ", f"bearer  {OPERATE}x", f"Basic {OPERATE}", OPERATE, "Bearer \xff" * 9],
)
def test_other_credentials_are_refused_even_where_none_are_needed(api: AdminApi, credentials: str) -> None:
    response = api.get("/livez", headers={"Authorization": credentials.encode("latin-1")})
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer")


def test_two_tokens_are_refused(api: AdminApi) -> None:
    credentials = [("Host", "localhost"), ("Authorization", f"Bearer {OPERATE}"), ("Authorization", "Bearer x")]
    assert api.status_of(*PAUSE, credentials) == 400


def test_without_configured_tokens_nothing_can_be_changed(api: AdminApi) -> None:
    api.gateway.access = AdminAccess()
    response = api.request(*PAUSE, json={})
    assert response.status_code == 403
    assert "add admin.tokens, or set STRANGLER_ADMIN_TOKEN" in response.json()["detail"]
    assert api.request(*PAUSE, token=OPERATE, json={}).status_code == 401


def test_beyond_loopback_nothing_is_shown_once_the_tokens_are_gone(beyond: AdminApi) -> None:
    beyond.gateway.access = AdminAccess()
    assert beyond.get("/status").status_code == 403
    assert beyond.get("/status", token=READ).status_code == 401
    assert beyond.get("/livez").status_code == 200


def test_tokens_change_with_the_configuration(api: AdminApi) -> None:
    assert api.request(*PAUSE, token=OPERATE, json={}).status_code == 200
    api.gateway.access = replace(ACCESS, tokens=ACCESS.tokens[1:])
    assert api.request(*PAUSE, token=OPERATE, json={}).status_code == 401


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:8081", 200),
        ("127.0.0.1:9000", 200),
        ("[::1]:9000", 200),
        ("10.1.2.3", 200),
        ("evil.example", 421),
        ("evil.example:80", 421),
        ("localhost.evil.example", 421),
        ("", 421),
    ],
)
def test_another_host_name_is_refused(api: AdminApi, beyond: AdminApi, host: str, status: int) -> None:
    assert api.get("/livez", headers={"Host": host}).status_code == status
    assert beyond.get("/livez", headers={"Host": host}).status_code == status


def test_two_hosts_are_refused(api: AdminApi) -> None:
    assert api.status_of("GET", "/livez", [("Host", "localhost"), ("Host", "evil.example")]) == 400


def test_a_configured_host_name_is_accepted(beyond: AdminApi) -> None:
    beyond.gateway.access = replace(ACCESS, hosts=frozenset({"gateway.internal.example"}))
    assert beyond.get("/livez", headers={"Host": "gateway.internal.example:8081"}).status_code == 200
    assert beyond.get("/livez", headers={"Host": "gateway.example"}).status_code == 421


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:8081", 200),
        ("https://localhost:8081", 200),
        ("http://localhost", 403),
        ("http://localhost:8080", 403),
        ("https://evil.example", 403),
        ("null", 403),
        ("", 403),
    ],
)
def test_a_page_of_another_origin_is_refused(api: AdminApi, origin: str, status: int) -> None:
    headers = {"Origin": origin}
    assert api.request(*PAUSE, token=OPERATE, json={}, headers=headers).status_code == status
    assert api.get("/status", headers=headers).status_code == status


def test_refused_attempts_are_logged_without_the_token(api: AdminApi) -> None:
    with capture_logs() as logs:
        for _ in range(3):
            api.request(*PAUSE, token=WRONG, json={})
    # The others are counted in the next report.
    (line,) = logs
    assert (line["event"], line["log_level"]) == ("the admin API refused a request", "warning")
    assert (line["status"], line["reason"], line["refusals"]) == (401, "The token is not one of the admin API.", 1)
    assert WRONG not in str(logs)
