"""The gateway is told at once of what it must no longer remember."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from time import time
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import AsyncClient, Client, override_settings

from django_strangler import headers, signatures
from django_strangler.identity.endpoint import session_digest
from tests import gateway

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


class _Gateway(BaseHTTPRequestHandler):
    told: list[dict[str, Any]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        parts = ("POST", self.path, signatures.body_digest(body))
        signatures.read_stamp(self.headers[headers.CALL], (gateway.SHARED,), signatures.REVOKE, parts, time())
        assert self.path == "/identities/revoke"
        self.told.append(json.loads(body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def told() -> Iterator[list[dict[str, Any]]]:
    """What a gateway was told."""
    _Gateway.told = []
    with HTTPServer(("127.0.0.1", 0), _Gateway) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}"
        chosen = {"SECRETS": [gateway.SHARED], "IDENTITY_ID": "username", "GATEWAYS": [address], "GATEWAY_TIMEOUT": 5.0}
        with override_settings(STRANGLER=chosen):
            yield _Gateway.told
        server.shutdown()
        thread.join()


@pytest.fixture
def browser() -> Client:
    """A browser in which alice has logged in."""
    User.objects.create_user("alice", password="pw")
    client = Client()
    client.post("/login/", {"username": "alice", "password": "pw"})
    return client


def test_a_logout_revokes_the_session_that_the_cookie_names(browser: Client, told: list[Any]) -> None:
    cookie = browser.cookies["sessionid"].value
    browser.post("/logout/")
    assert told == [{"sessions": [session_digest(cookie)], "subjects": []}]


def test_a_logout_through_an_asynchronous_server_is_told(browser: Client, told: list[Any]) -> None:
    client = AsyncClient()
    client.cookies = browser.cookies
    gateway.awaited(client.post, "/logout/")
    assert len(told) == 1


def test_a_changed_password_revokes_every_session_of_the_user(browser: Client, told: list[Any]) -> None:
    form = {"old_password": "pw", "new_password1": "Xk82-pq11-zz", "new_password2": "Xk82-pq11-zz"}
    assert browser.post("/password/", form).status_code == 302
    assert [one["subjects"] for one in told] == [["alice"]]


def test_a_password_changed_outside_of_a_request_is_told(browser: Client, told: list[Any]) -> None:
    alice = User.objects.get()
    alice.email = "alice@shop.example"
    alice.save()
    assert told == []
    alice.set_password("another")
    alice.save()
    assert told == [{"sessions": [], "subjects": ["alice"]}]


def test_blocked_deleted_and_regrouped_users_are_told(browser: Client, told: list[Any]) -> None:
    alice = User.objects.get()
    alice.groups.add(Group.objects.create(name="admins"))
    alice.is_active = False
    alice.save()
    alice.delete()
    assert [one["subjects"] for one in told] == [["alice"]] * 3


def test_a_shadow_copy_of_a_logout_tells_nothing(browser: Client, told: list[Any]) -> None:
    browser.post("/logout/", b"", "text/plain", headers=gateway.shadow("POST", "/logout/", b""))
    assert told == []


def test_a_gateway_that_is_down_does_not_prevent_a_logout(browser: Client, caplog: pytest.LogCaptureFixture) -> None:
    chosen = {"SECRETS": [gateway.SHARED], "IDENTITY_ID": "username", "GATEWAYS": ["http://127.0.0.1:9"]}
    with override_settings(STRANGLER=chosen):
        assert browser.post("/logout/").status_code == 302
    assert "http://127.0.0.1:9 was not told of a logout" in caplog.text
