"""The gateway asks who a session cookie belongs to."""

from __future__ import annotations

import tempfile
from importlib import import_module
from time import time
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.test import AsyncClient, Client, override_settings

from tests import gateway

pytestmark = pytest.mark.django_db

STORES = ("db", "cache", "cached_db", "signed_cookies", "file")


@pytest.fixture
def alice() -> User:
    user = User.objects.create_user("alice", password="pw")
    user.groups.add(*(Group.objects.create(name=name) for name in ("orders:read", "two words", "admins")))
    return user


def login(**credentials: str) -> str:
    """The session cookie of a browser that has logged in."""
    client = Client()
    client.post("/login/", credentials or {"username": "alice", "password": "pw"})
    return client.cookies["sessionid"].value


def stored(cookie: str) -> Any:
    """Everything that the store holds of the session, its expiry included."""
    if settings.SESSION_ENGINE.endswith((".db", ".cached_db")):
        return Session.objects.values().get(session_key=cookie)
    return dict(import_module(settings.SESSION_ENGINE).SessionStore(cookie).items())


@pytest.mark.parametrize("store", STORES)
def test_a_session_in_every_store_names_its_user(alice: User, store: str) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        override_settings(
            SESSION_ENGINE=f"django.contrib.sessions.backends.{store}",
            SESSION_FILE_PATH=folder,
            SESSION_SAVE_EVERY_REQUEST=True,
        ),
    ):
        cookie = login()
        before = stored(cookie)
        claims = gateway.claims_for(cookie)
        assert claims["sub"] == "alice"
        assert claims["scp"] == ["admins", "orders:read"]
        assert time() - 60 < claims["auth_time"] <= time()
        assert claims["exp"] - claims["iat"] == 60
        assert stored(cookie) == before


@pytest.mark.parametrize("store", STORES)
def test_a_session_that_is_none_is_anonymous_and_not_made(store: str) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        override_settings(SESSION_ENGINE=f"django.contrib.sessions.backends.{store}", SESSION_FILE_PATH=folder),
    ):
        for cookie in ("", "x" * 32, "../../etc/passwd", "a\x00b", "é", "x" * 9000):
            assert gateway.claims_for(cookie)["anonymous"] is True
    assert not Session.objects.exists()


def test_a_session_signed_with_a_fallback_key_is_read_and_not_renewed(alice: User) -> None:
    cookie = login()
    before = stored(cookie)
    with override_settings(SECRET_KEY="rotated " * 8, SECRET_KEY_FALLBACKS=[settings.SECRET_KEY]):
        assert gateway.claims_for(cookie)["sub"] == "alice"
        assert stored(cookie) == before
    with override_settings(SECRET_KEY="rotated " * 8):
        assert gateway.claims_for(cookie)["anonymous"] is True
        assert stored(cookie) == before


def test_a_session_from_before_a_changed_password_is_anonymous_and_stays(alice: User) -> None:
    cookie = login()
    alice.set_password("another")
    alice.save()
    assert gateway.claims_for(cookie)["anonymous"] is True
    assert Session.objects.filter(session_key=cookie).exists()


def test_a_logged_out_expired_or_inactive_user_is_anonymous(alice: User) -> None:
    client = Client()
    client.post("/login/", {"username": "alice", "password": "pw"})
    cookie = client.cookies["sessionid"].value
    client.post("/logout/")
    assert gateway.claims_for(cookie)["anonymous"] is True
    cookie = login()
    Session.objects.update(expire_date="2020-01-01T00:00:00Z")
    assert gateway.claims_for(cookie)["anonymous"] is True
    cookie = login()
    User.objects.update(is_active=False)
    assert gateway.claims_for(cookie)["anonymous"] is True


@pytest.mark.parametrize(
    "changed",
    [{"secret": "x" * 40}, {"at": 1000}, {"purpose": "revoke"}, {"signed_body": '{"session": "another"}'}],
)
def test_a_call_that_is_not_signed_for_this_finds_nothing(changed: dict[str, Any]) -> None:
    assert Client().post(**gateway.session_call("x", **changed)).status_code == 404


def test_a_call_without_a_signature_or_by_another_method_finds_nothing() -> None:
    assert Client().post(gateway.PATH, "{}", "application/json").status_code == 404
    assert Client().get(gateway.PATH).status_code == 404
    assert Client().post(gateway.PATH, "x" * 20_000, "application/json").status_code == 404


def test_a_call_is_answered_once(alice: User) -> None:
    call = gateway.session_call(login())
    assert Client().post(**call).status_code == 200
    assert Client().post(**call).status_code == 404


@pytest.mark.parametrize("cookie", [None, 5, ["x"]])
def test_a_call_without_a_cookie_of_text_is_refused(cookie: object) -> None:
    assert Client().post(**gateway.session_call(cookie)).status_code == 400


@override_settings(SECURE_SSL_REDIRECT=True, ALLOWED_HOSTS=["shop.example"])
def test_neither_https_nor_allowed_hosts_is_in_the_way(alice: User) -> None:
    with override_settings(SECURE_SSL_REDIRECT=False, ALLOWED_HOSTS=["*"]):
        cookie = login()
    assert gateway.claims_for(cookie)["sub"] == "alice"


def identity(user: User) -> str:
    """A function for STRANGLER["IDENTITY_ID"]."""
    return f"person-{user.username}"


def scopes(user: User) -> list[str]:
    """A function for STRANGLER["SCOPES"]."""
    return ["orders"] if user.is_active else []


def test_functions_choose_identity_and_scopes(alice: User) -> None:
    chosen = {"IDENTITY_ID": f"{__name__}.identity", "SCOPES": f"{__name__}.scopes"}
    with override_settings(STRANGLER={"SECRETS": [gateway.SHARED], **chosen}):
        claims = gateway.claims_for(login())
    assert (claims["sub"], claims["scp"]) == ("person-alice", ["orders"])


@pytest.mark.parametrize("chosen", [{}, {"IDENTITY_ID": "email"}])
def test_a_user_without_an_identity_gets_no_token(
    alice: User, chosen: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    cookie = login()
    with override_settings(STRANGLER={"SECRETS": [gateway.SHARED], **chosen}):
        response = Client().post(**gateway.session_call(cookie))
    assert response.status_code == 500
    assert "token" not in response.json()
    assert "IDENTITY_ID" in caplog.text or "has no email" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_an_asynchronous_server_answers_too(alice: User) -> None:
    response = gateway.awaited(AsyncClient().post, **gateway.session_call(login()))
    assert response.status_code == 200


@pytest.fixture(autouse=True)
def _fresh() -> None:
    cache.clear()


def test_a_secret_is_replaced_without_an_interruption(alice: User) -> None:
    cookie, new = login(), "the secret that comes next, of enough bytes"
    for secrets in ([gateway.SHARED, new], [new, gateway.SHARED]):
        with override_settings(STRANGLER={"SECRETS": secrets, "IDENTITY_ID": "username"}):
            # The gateway has the old secret, and can read the response.
            assert gateway.claims_for(cookie)["sub"] == "alice"
