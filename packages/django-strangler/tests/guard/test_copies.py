"""A shadow copy runs the view, and nothing of it lasts."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.cache import cache
from django.db import connections
from django.test import AsyncClient, Client, override_settings

from tests import gateway
from tests.shop import views
from tests.shop.models import Order
from tests.shop.tasks import celery

pytestmark = pytest.mark.django_db(transaction=True, databases=list(connections))

ORDER = json.dumps({"customer": "alice", "sku": "LAMP-1"}).encode()


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    cache.clear()
    views.COMMITTED.clear()
    yield
    shutil.rmtree(views.FOLDER, ignore_errors=True)
    with celery.connection_for_write() as connection:
        connection.default_channel.queue_purge("celery")


def queued() -> int:
    """Tasks that wait at the broker."""
    with celery.connection_for_write() as connection:
        queue = connection.SimpleQueue("celery")
        try:
            return int(queue.qsize())
        finally:
            queue.close()


def rows() -> dict[str, int]:
    """Orders in each database."""
    return {alias: Order.objects.using(alias).count() for alias in connections}


def copy(client: Client, path: str = "/orders/place/", body: bytes = ORDER, method: str = "POST", **more: object):
    """Send a shadow copy; the response and its marker."""
    marker = gateway.shadow(method, path, body)
    response = client.generic(method, path, body, "application/json", headers=marker, **more)
    return response, marker


def test_a_clients_order_has_its_effects() -> None:
    """The counterpart of the next test: each effect that it misses would be seen."""
    assert Client().post("/orders/place/", ORDER, "application/json").status_code == 201
    assert rows() == dict.fromkeys(connections, 2)
    assert len(views.COMMITTED) == len(rows())
    assert len(mail.outbox) == 3
    assert queued() == 3
    assert cache.get("last-order") is not None
    assert len(list(views.FOLDER.iterdir())) == 1
    assert Session.objects.count() == 1


def test_a_thousand_copies_of_orders_leave_not_one_row_mail_or_task() -> None:
    if len(rows()) < 2 and "PostgreSQL":
        pytest.skip("PostgreSQL is not installed")
    client = Client()
    client.force_login(User.objects.create_user("alice"))
    session = Session.objects.values().get()
    for _ in range(1000):
        response, marker = copy(client)
        assert (response.status_code, response.json()["sku"]) == (201, "LAMP-1")
        assert gateway.blocked(response, marker) == {"cache": 1, "celery": 3, "files": 1, "mail": 3}
    assert rows() == dict.fromkeys(connections, 0)
    assert views.COMMITTED == []
    assert mail.outbox == []
    assert queued() == 0
    assert cache.get("last-order") is None
    assert not views.FOLDER.exists()
    assert Session.objects.values().get() == session


def test_a_request_with_a_marker_that_is_not_valid_is_not_served() -> None:
    for headers in (
        gateway.shadow("POST", "/orders/place/", ORDER, secret="another secret " * 3),
        gateway.shadow("POST", "/orders/place/", b"another body"),
        gateway.shadow("POST", "/other/", ORDER),
        gateway.shadow("POST", "/orders/place/", ORDER, at=1),
        {"X-Strangler-Shadow": "1"},
    ):
        response = Client().post("/orders/place/", ORDER, "application/json", headers=headers)
        assert response.status_code == 403
        assert gateway.blocked(response, headers) is None
    assert rows() == dict.fromkeys(connections, 0)


@pytest.mark.parametrize(("way", "status"), [("commit", 500), ("sql", 500), ("thread", 500), ("error", 500)])
def test_a_view_that_would_escape_the_rollback_fails(way: str, status: int) -> None:
    client = Client(raise_request_exception=False)
    response, marker = copy(client, f"/misbehave/{way}/")
    assert response.status_code == status
    assert gateway.blocked(response, marker) is not None
    assert rows()["default"] == 0


def test_a_copy_that_closes_its_connection_leaves_nothing() -> None:
    response, _ = copy(Client(raise_request_exception=False), "/misbehave/close/")
    assert response.status_code in (200, 500)
    assert rows()["default"] == 0


def test_a_commit_past_django_is_found_and_not_confirmed(caplog: pytest.LogCaptureFixture) -> None:
    response, marker = copy(Client(), "/misbehave/driver/")
    assert response.status_code == 500
    assert gateway.blocked(response, marker) is None
    assert "may have had an effect" in caplog.text


def test_a_stream_is_read_and_undone() -> None:
    response, marker = copy(Client(), "/stream/3/", b"", "GET")
    assert response.content == b"x" * 3000
    assert gateway.blocked(response, marker) == {}
    assert rows()["default"] == 0


@override_settings(STRANGLER={"SECRETS": [gateway.SHARED], "GUARD_BODY": 2500})
def test_a_stream_longer_than_the_bound_is_undone_and_not_confirmed() -> None:
    response, marker = copy(Client(), "/stream/30/", b"", "GET")
    assert response.status_code == 502
    assert gateway.blocked(response, marker) is None
    assert rows()["default"] == 0


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_an_asynchronous_view_is_undone(client: type) -> None:
    path = "/orders/place-async/"
    marker = gateway.shadow("POST", path, b"")
    if client is Client:
        response = Client().post(path, b"", "application/json", headers=marker)
    else:
        response = gateway.awaited(AsyncClient().post, path, b"", "application/json", headers=marker)
    assert (response.status_code, response.json()) == (201, {"orders": 1})
    assert gateway.blocked(response, marker) == {}
    assert rows()["default"] == 0


class _Counting(BaseHTTPRequestHandler):
    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def other_service() -> Iterator[str]:
    _Counting.asked = 0
    with HTTPServer(("127.0.0.1", 0), _Counting) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("library", "error"),
    [("requests", "requests.ConnectionError"), ("httpx", "httpx.ConnectError"), ("urllib3", "urllib3.ProtocolError")],
)
def test_a_copy_reaches_no_other_service(other_service: str, library: str, error: str) -> None:
    path = f"/ask/{library}/?url={other_service}"
    assert Client().get(path).content == b"hello"
    marker = gateway.shadow("GET", path, b"")
    response = Client().get(path, headers=marker)
    assert response.json()["error"] == error
    assert gateway.blocked(response, marker) == {"http": 1}
    assert _Counting.asked == 1


def test_a_copied_login_does_not_end_the_clients_session() -> None:
    User.objects.create_user("alice", password="pw")
    client = Client()
    client.post("/login/", {"username": "alice", "password": "pw"})
    before = Session.objects.values().get()
    body = b"username=alice&password=pw"
    for path in ("/login/", "/logout/"):
        marker = gateway.shadow("POST", path, body)
        response = client.post(path, body, "application/x-www-form-urlencoded", headers=marker)
        assert response.status_code == 302
        # The test client keeps cookies, which the gateway does not pass on from a copy.
        client.cookies["sessionid"] = before["session_key"]
    assert Session.objects.values().get() == before
