"""Callers who are identified by their login session at a Django project."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from django_strangler import signatures

from strangler.auth.sessions import AUDIENCE, ISSUER, KEY_USE, SessionCookie
from tests.auth.issuing import Issuer
from tests.e2e.conftest import provider
from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.raw_http import ask
from tests.e2e.recording_upstream import Call, RecordingUpstream
from tests.e2e.shop_process import shop
from tests.e2e.waiting import wait_for

SECRET = "a secret that gateway and monolith share"
PATH = "/.strangler/session"


@dataclass
class App:
    """The monolith's side: `users` by cookie; cookies that begin with `hang` or `fail` do so."""

    upstream: RecordingUpstream
    users: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.upstream.scripts[PATH] = self._respond

    def _respond(self, call: Call) -> None:
        received = self.upstream.received[-1]
        value = str(received.value(b"X-Strangler-Call"), "ascii")
        parts = ("POST", PATH, signatures.body_digest(received.body))
        stamp = signatures.read_stamp(value, (SECRET,), signatures.SESSION_CALL, parts, time.time())
        cookie = json.loads(received.body)["session"]
        self.asked.append(cookie)
        if cookie.startswith("hang"):
            call.wait_hang_up()
        elif cookie.startswith("fail"):
            call.answer(b"{}", status=b"500 Internal Server Error")
        else:
            call.answer(self._token(cookie, stamp.nonce), b"Content-Type: application/json")

    def _token(self, cookie: str, nonce: str) -> bytes:
        user, now = self.users.get(cookie), int(time.time())
        claims: dict[str, Any] = {"iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + 60, "nonce": nonce}
        claims |= {"sub": user, "scp": ["orders"]} if user is not None else {"anonymous": True}
        return json.dumps({"token": jwt.encode(claims, signatures.derived_key(SECRET, KEY_USE), "HS256")}).encode()


def configuration(monolith: str, extracted: str, jwks: str = "jwks.json", **session: Any) -> dict[str, Any]:
    """Routes that require a caller, that accept one, and a migration that splits by the caller."""
    source = {"upstream": "monolith", "secret": "${STRANGLER_SECRET}", **session}
    both = ["sessions", "shop"]
    return {
        "upstreams": {"monolith": {"endpoints": [monolith]}, "extracted": {"endpoints": [extracted]}},
        "auth": {"providers": {"sessions": {"django_session": source}, "shop": provider(jwks)}},
        "default": "monolith",
        "routes": [
            {"name": "private", "match": {"path": "/private/**"}, "upstream": "extracted", "auth": {"provider": both}},
            {
                "name": "open",
                "match": {"path": "/open/**"},
                "upstream": "extracted",
                "auth": {"provider": "sessions", "required": False},
            },
        ],
        "migrations": {
            "split": {
                "from": "monolith",
                "to": "extracted",
                "stage": "canary",
                "canary": {"percent": 50, "sticky": ["claim:sub"]},
                "auth": {"provider": both, "required": False},
                "routes": [{"match": {"path": "/split/**"}}],
            }
        },
    }


@dataclass
class Running:
    """The shared gateway, the monolith and the extracted service."""

    gateway: GatewayProcess
    app: App
    extracted: RecordingUpstream
    issuer: Issuer

    def log_in(self, user: str) -> str:
        """A new session of `user`, as the header of a browser."""
        cookie = f"{user}-{len(self.app.users)}"
        self.app.users[cookie] = user
        return f"Cookie: theme=dark; sessionid={cookie}"

    def subject(self, path: str, *fields: str) -> str | None:
        """The subject that the extracted service gets."""
        assert ask(self.gateway.port, path, *fields).status == 200
        value = self.extracted.last(path).value(b"X-Auth-Subject")
        return None if value is None else value.decode()


ENVIRONMENT = {"STRANGLER_SECRET": SECRET}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, issuer: Issuer) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("sessions")
    issuer.write_key_set(folder)
    with RecordingUpstream("monolith") as monolith, RecordingUpstream("extracted") as extracted:
        config = configuration(monolith.url, extracted.url, timeout="1s")
        with GatewayProcess(folder, config, environment=ENVIRONMENT) as gateway:
            yield Running(gateway, App(monolith), extracted, issuer)
        assert not monolith.failed, monolith.failed


def test_a_session_identifies_the_caller_to_the_extracted_service(running: Running) -> None:
    alice = running.log_in("alice")
    assert running.subject("/private/me", alice) == "alice"
    request = running.extracted.last("/private/me")
    assert request.value(b"X-Auth-Scopes") == b"orders"
    assert request.value(b"X-Auth-Issuer") == ISSUER.encode()


def test_requests_with_one_cookie_share_one_call(running: Running) -> None:
    alice = running.log_in("alice")
    with ThreadPoolExecutor(8) as pool:
        subjects = list(pool.map(lambda number: running.subject(f"/private/shared/{number}", alice), range(40)))
    assert subjects == ["alice"] * 40
    assert running.app.asked.count(alice.rpartition("=")[2]) == 1


def test_a_caller_without_a_login_is_anonymous(running: Running) -> None:
    for fields in ((), ("Cookie: sessionid=nobodys",), ("Cookie: sessionid=",), (f"Cookie: sessionid={'x' * 5000}",)):
        assert running.subject("/open/anonymous", *fields) is None
        assert ask(running.gateway.port, "/private/anonymous", *fields).status == 401
    assert running.app.asked.count("nobodys") == 1


def test_a_token_outranks_a_session(running: Running) -> None:
    alice, bearer = running.log_in("alice"), running.issuer.bearer("user-17")
    assert running.subject("/private/both", alice, bearer) == "user-17"


def test_two_session_cookies_are_refused(running: Running) -> None:
    alice, bob = running.log_in("alice"), running.log_in("bob")
    assert ask(running.gateway.port, "/private/two", alice, bob).status == 400
    assert ask(running.gateway.port, "/private/two", alice, alice).status == 200


def test_two_users_on_one_kept_connection_stay_apart(running: Running) -> None:
    sessions = {name: running.log_in(name) for name in ("alice", "bob")}
    with running.gateway.client() as client:
        for number in range(20):
            for name, cookie in sessions.items():
                path = f"/private/kept/{name}/{number}"
                assert client.request(path, cookie).status == 200
                assert running.extracted.last(path).value(b"X-Auth-Subject") == name.encode()
            path = f"/open/kept/{number}"
            assert client.request(path).status == 200
            assert running.extracted.last(path).value(b"X-Auth-Subject") is None


def test_a_caller_has_the_same_side_by_session_and_by_token(running: Running) -> None:
    sides = {"session": [], "token": []}  # type: dict[str, list[bytes]]
    for number in range(20):
        user = f"user-{number}"
        sides["session"].append(ask(running.gateway.port, "/split/x", running.log_in(user)).body)
        sides["token"].append(ask(running.gateway.port, "/split/x", running.issuer.bearer(user)).body)
    assert sides["session"] == sides["token"]
    assert len(set(sides["session"])) == 2


def test_a_hanging_project_delays_only_those_who_need_it(running: Running) -> None:
    alice = running.log_in("alice")
    assert running.subject("/private/before", alice) == "alice"
    with ThreadPoolExecutor(2) as pool:
        needing = pool.submit(ask, running.gateway.port, "/private/hang", "Cookie: sessionid=hang-1")
        wait_for(lambda: "hang-1" in running.app.asked, "the call that hangs")
        assert running.subject("/private/meanwhile", alice) == "alice"
        assert running.subject("/open/meanwhile") is None
        assert not needing.done()
        response = needing.result()
    assert response.status == 503
    assert b"sessions can't be verified" in response.body
    assert running.subject("/open/hang", "Cookie: sessionid=hang-2") is None


def test_a_failing_project_refuses_those_who_need_it(running: Running) -> None:
    assert ask(running.gateway.port, "/private/fail", "Cookie: sessionid=fail-1").status == 503
    wait_for(lambda: running.gateway.events("session call failed"), "the failure in the log")
    assert "fail-1" not in running.gateway.events_text()
    # Nothing is remembered of a failure.
    running.app.users["fail"] = "alice"
    assert ask(running.gateway.port, "/private/fail", "Cookie: sessionid=fail-1").status == 503
    assert running.app.asked.count("fail-1") == 2


def revoke(gateway: GatewayProcess, body: bytes, secret: str = SECRET) -> int:
    """Report ended sessions, as the project does; the status."""
    parts = ("POST", "/identities/revoke", signatures.body_digest(body))
    stamp = signatures.stamp(secret, signatures.REVOKE, parts, time.time())
    url = f"http://127.0.0.1:{gateway.admin_port}/identities/revoke"
    return httpx.post(url, content=body, headers={"X-Strangler-Call": stamp}, trust_env=False).status_code


@pytest.mark.parametrize("by", ["session", "subject"])
def test_a_reported_logout_counts_at_once(running: Running, by: str) -> None:
    user = f"leaving-by-{by}"
    browser = running.log_in(user)
    cookie = browser.rpartition("=")[2]
    assert running.subject("/open/logout", browser) == user
    del running.app.users[cookie]
    assert running.subject("/open/logout", browser) == user
    document = {"sessions": [SessionCookie(cookie).digest]} if by == "session" else {"subjects": [user]}
    assert revoke(running.gateway, json.dumps(document).encode()) == 200
    wait_for(lambda: running.subject("/open/logout", browser) is None, "the logout to count")


def test_a_report_that_is_not_signed_or_malformed_is_refused(running: Running) -> None:
    assert revoke(running.gateway, b"{}", "another secret of thirty-two bytes") == 403
    assert revoke(running.gateway, b"[]") == 400
    assert revoke(running.gateway, b'{"sessions": ["x"]}') == 400
    assert revoke(running.gateway, b"x" * 300_000) == 413


def test_made_up_cookies_cause_a_bounded_number_of_calls(tmp_path: Path, issuer: Issuer) -> None:
    issuer.write_key_set(tmp_path)
    with RecordingUpstream("monolith") as monolith, RecordingUpstream("extracted") as extracted:
        app = App(monolith)
        config = configuration(monolith.url, extracted.url, calls=4, calls_per_second=50)
        with GatewayProcess(tmp_path, config, environment=ENVIRONMENT) as gateway, gateway.client() as client:
            began = time.monotonic()
            for number in range(10_000):
                # Browsers of a botnet, each with a cookie of its own, where a caller is required.
                client.send(b"GET /private/x HTTP/1.1\r\nHost: shop\r\nCookie: sessionid=c%d\r\n\r\n" % number)
                assert client.response().status in (401, 503)
            passed = time.monotonic() - began
            assert 50 <= len(app.asked) <= 51 + 50 * passed
            assert gateway.metric("strangler_events_total", event="session_call_refused") > 9000


def test_a_login_at_the_shop_counts_on_every_side_and_so_does_the_logout(tmp_path: Path, issuer: Issuer) -> None:
    issuer.write_key_set(tmp_path)
    with RecordingUpstream("extracted") as extracted:
        gateway = GatewayProcess(tmp_path, {}, environment=ENVIRONMENT)
        admin = f"http://127.0.0.1:{gateway.admin_port}"
        with shop(tmp_path, STRANGLER_SECRET=SECRET, STRANGLER_GATEWAYS=admin) as url:
            gateway.config = configuration(url, extracted.url)
            with gateway, httpx.Client(base_url=f"http://127.0.0.1:{gateway.port}", trust_env=False) as browser:
                assert browser.get("/private/me").status_code == 401
                browser.get("/login/")
                form = {"username": "alice", "password": "alice-password"}
                token = {"csrfmiddlewaretoken": browser.cookies["csrftoken"]}
                assert browser.post("/login/", data=form | token).status_code == 302
                assert browser.get("/private/me").status_code == 200
                subject = extracted.last("/private/me").value(b"X-Auth-Subject")
                assert subject is not None
                assert subject.startswith(b"user-")
                kept = browser.cookies["sessionid"]
                token = {"csrfmiddlewaretoken": browser.cookies["csrftoken"]}
                assert browser.post("/logout/", data=token).status_code in (200, 302)
                browser.cookies.set("sessionid", kept)
                wait_for(lambda: browser.get("/private/me").status_code == 401, "no side to know her", 5)
