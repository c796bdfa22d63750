"""The gateway's token as the user of a request."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from time import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.test import AsyncClient, Client, override_settings
from jwt.algorithms import OKPAlgorithm

from django_strangler import headers
from django_strangler.tokens import keys
from django_strangler.tokens.verify import GatewayIdentity
from tests import gateway

pytestmark = pytest.mark.django_db

KEY, OTHER_KEY = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
OPTIONS = {"SECRETS": [gateway.SHARED], "IDENTITY_ID": "username", "AUDIENCE": "monolith"}


def key_set(**named: Ed25519PrivateKey) -> str:
    """A key set, as the gateway publishes it."""
    published = [
        {**json.loads(OKPAlgorithm.to_jwk(key.public_key())), "kid": kid, "alg": "EdDSA", "use": "sig"}
        for kid, key in named.items()
    ]
    return json.dumps({"keys": published})


@pytest.fixture(autouse=True)
def file(tmp_path: Path) -> Iterator[Path]:
    """The file of the gateway's keys."""
    place = tmp_path / "keys.json"
    place.write_text(key_set(one=KEY))
    with override_settings(STRANGLER={**OPTIONS, "KEYS": str(place)}):
        yield place


def token(key: Any = KEY, kid: str = "one", algorithm: str = "EdDSA", **claims: Any) -> str:
    """A token of the gateway."""
    now = int(time())
    whole = {"iss": "strangler-gateway", "aud": "monolith", "sub": "alice", "iat": now, "exp": now + 60, **claims}
    whole = {name: value for name, value in whole.items() if value is not None}
    return jwt.encode(whole, key, algorithm, headers={"kid": kid})


def sent(value: str) -> dict[str, str]:
    """The header with the token `value`."""
    return {headers.TOKEN: value}


@pytest.fixture
def alice() -> User:
    return User.objects.create_user("alice", password="pw")


def test_a_token_is_the_requests_user(alice: User) -> None:
    response = Client().get("/whoami/", headers=sent(token(scope="orders profile")))
    assert response.json() == {"user": "alice", "scopes": ["orders", "profile"]}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", ["/whoami/", "/whoami-async/"])
def test_an_asynchronous_server_knows_the_user(alice: User, path: str) -> None:
    response = gateway.awaited(AsyncClient().get, path, headers=sent(token()))
    assert response.json()["user"] == "alice"


def test_without_a_token_the_sessions_user_stays(alice: User) -> None:
    client = Client()
    assert client.get("/whoami/").json()["user"] == ""
    client.force_login(alice)
    assert client.get("/whoami/").json()["user"] == "alice"


WRONG = {
    "another key": token(OTHER_KEY),
    "unknown key": token(kid="two"),
    "expired": token(exp=int(time()) - 60),
    "issued later": token(iat=int(time()) + 600),
    "another audience": token(aud="another"),
    "another issuer": token(iss="another"),
    "no subject": token(sub=None),
    "empty subject": token(sub=""),
    "no expiry": token(exp=None),
    "no audience": token(aud=None),
    "shared secret": token("x" * 32, algorithm="HS256"),
    "no algorithm": token(None, algorithm="none"),
    "another signature": token()[:-4] + "AAAA",
    "long": "x" * 20_000,
    "empty": "",
    "no token": "not a token",
}


@pytest.mark.parametrize("value", WRONG.values(), ids=WRONG.keys())
def test_a_token_that_is_not_the_gateways_word_is_refused(alice: User, value: str) -> None:
    client = Client()
    client.force_login(alice)
    response = client.get("/whoami/", headers=sent(value))
    assert response.status_code == 401
    assert response["Content-Type"] == "application/problem+json"


def test_a_session_and_a_token_of_two_users_are_refused(alice: User) -> None:
    client = Client()
    client.force_login(User.objects.create_user("bob"))
    response = client.get("/whoami/", headers=sent(token()))
    assert (response.status_code, response.json()["detail"]) == (403, "The session and the token belong to two users.")
    client.force_login(alice)
    assert client.get("/whoami/", headers=sent(token())).json()["user"] == "alice"


def test_an_unknown_caller_is_refused_or_created() -> None:
    client = Client()
    assert client.get("/whoami/", headers=sent(token())).status_code == 403
    with override_settings(STRANGLER={**OPTIONS, "KEYS": keys_place(), "CREATE_USERS": True}):
        for _ in range(2):
            assert client.get("/whoami/", headers=sent(token())).json()["user"] == "alice"
    user = User.objects.get()
    assert not user.has_usable_password()
    User.objects.update(is_active=False)
    assert client.get("/whoami/", headers=sent(token())).status_code == 403


def keys_place() -> str:
    """The place of the keys that the present settings name."""
    from django_strangler.conf import options

    return options().keys


def by_prefix(identity: GatewayIdentity) -> User | None:
    """A function for STRANGLER["USER"]."""
    return User.objects.filter(username=identity.subject.removeprefix("person-")).first()


def test_a_function_maps_the_identity(alice: User) -> None:
    chosen = {**OPTIONS, "KEYS": keys_place(), "IDENTITY_ID": "no_field", "USER": f"{__name__}.by_prefix"}
    with override_settings(STRANGLER=chosen):
        assert Client().get("/whoami/", headers=sent(token(sub="person-alice"))).json()["user"] == "alice"
    with (
        override_settings(STRANGLER={**chosen, "USER": ""}),
        pytest.raises(ImproperlyConfigured, match="no field of the user model"),
    ):
        Client().get("/whoami/", headers=sent(token(sub="person-alice")))


def test_a_new_key_is_read_when_a_token_names_it_and_not_more_often(
    alice: User, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[int] = []
    original = keys.GatewayKeys._text
    monkeypatch.setattr(keys.GatewayKeys, "_text", lambda self: reads.append(1) or original(self))
    client = Client()
    assert client.get("/whoami/", headers=sent(token())).status_code == 200
    file.write_text(key_set(one=KEY, two=OTHER_KEY))
    for number in range(20):
        assert client.get("/whoami/", headers=sent(token(OTHER_KEY, f"made-up-{number}"))).status_code == 401
    assert len(reads) == 1
    monkeypatch.setattr(keys, "FLOOR", 0.0)
    assert client.get("/whoami/", headers=sent(token(OTHER_KEY, "two"))).status_code == 200
    assert len(reads) == 2


def test_the_last_keys_stay_where_the_place_fails(
    alice: User, file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client()
    assert client.get("/whoami/", headers=sent(token())).status_code == 200
    file.unlink()
    monkeypatch.setattr(keys, "FLOOR", 0.0)
    assert client.get("/whoami/", headers=sent(token(OTHER_KEY, "two"))).status_code == 401
    assert "can't be read" in caplog.text
    assert client.get("/whoami/", headers=sent(token())).status_code == 200


@pytest.mark.parametrize(
    ("via", "cookie", "status"), [("token", False, 200), ("token", True, 403), ("session", False, 403)]
)
def test_a_bearer_token_needs_no_csrf_token_and_a_session_does(
    alice: User, via: str, cookie: bool, status: int
) -> None:
    for path in ("/whoami/", "/api/who/"):
        client = Client(enforce_csrf_checks=True)
        if cookie:
            client.force_login(alice)
        response = client.post(path, headers=sent(token(via=via)))
        # REST framework itself trusts the bearer token, whatever cookies the browser adds.
        assert response.status_code == (200 if via == "token" and path == "/api/who/" else status)


def test_rest_framework_knows_user_and_identity(alice: User) -> None:
    assert Client().get("/api/who/", headers=sent(token(via="token"))).json() == {"user": "alice", "via": "token"}
    assert Client().get("/api/orders/").status_code == 403


def test_simplejwt_serves_the_requests_without_a_token_of_the_gateway(alice: User) -> None:
    from rest_framework_simplejwt.tokens import AccessToken

    path, bob = "/api/who-by-any-token/", User.objects.create_user("bob")
    bearer = {"Authorization": f"Bearer {AccessToken.for_user(bob)}"}
    assert Client().get(path, headers=bearer).json() == {"user": "bob", "by": "JWTAuthentication"}
    both = {**bearer, **sent(token(via="token"))}
    assert Client().get(path, headers=both).json() == {"user": "alice", "by": "GatewayAuthentication"}
    assert Client().get(path, headers={**bearer, **sent("not a token")}).status_code == 401


@pytest.mark.parametrize(
    "header", ["Remote-User", "X-Remote-User", "Auth-User", "X-Authenticated-User", "X_Remote_User"]
)
@pytest.mark.parametrize("backend", ["wsgi", "asgi"])
def test_a_clients_user_header_is_not_believed(alice: User, header: str, backend: str) -> None:
    from django.conf import settings

    middleware = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.RemoteUserMiddleware"]
    backends = ["django.contrib.auth.backends.RemoteUserBackend"]
    with override_settings(MIDDLEWARE=middleware, AUTHENTICATION_BACKENDS=backends):
        if backend == "wsgi":
            response = Client().get("/whoami/", headers={header: "alice"})
        else:
            response = gateway.awaited(AsyncClient().get, "/whoami/", headers={header: "alice"})
    assert response.json()["user"] == ""
