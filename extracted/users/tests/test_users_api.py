"""The routes, as API.md has them."""

import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import jwt
import pytest

pytestmark = pytest.mark.anyio

Bearer = Callable[..., dict[str, str]]

ALICE = {
    "id": 1,
    "subject": "user-1",
    "name": "alice",
    "full_name": "Alice Adler",
    "email": "alice@shop.example",
    "is_staff": False,
    "created_at": "2025-11-01T09:00:00Z",
}


def assert_error(response: httpx.Response, status: int, code: str, message: str) -> None:
    assert (response.status_code, response.json()) == (status, {"error": {"code": code, "message": message}})
    assert response.headers["cache-control"] == "no-store"


def assert_invalid_token(response: httpx.Response) -> None:
    assert_error(response, 401, "invalid_token", "The access token is invalid or expired.")
    assert response.headers["www-authenticate"] == 'Bearer error="invalid_token"'


async def test_me(client: httpx.AsyncClient, bearer: Bearer) -> None:
    response = await client.get("/api/users/me", headers=bearer())
    assert response.status_code == 200
    assert response.content == json.dumps(ALICE, ensure_ascii=False, separators=(",", ":")).encode()
    assert dict(response.headers) == {
        "content-type": "application/json",
        "content-length": str(len(response.content)),
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "x-frame-options": "DENY",
    }


async def test_non_ascii_characters_are_not_escaped(client: httpx.AsyncClient, bearer: Bearer) -> None:
    response = await client.get("/api/users/me", headers=bearer("user-2"))
    assert '"full_name":"Zoë Ångström"'.encode() in response.content


async def test_head_has_the_headers_of_get_and_no_body(client: httpx.AsyncClient, bearer: Bearer) -> None:
    get = await client.get("/api/users/me", headers=bearer())
    head = await client.head("/api/users/me", headers=bearer())
    assert (head.status_code, head.headers, head.content) == (200, get.headers, b"")


class TestToken:
    @pytest.mark.parametrize("authorization", [None, "", "Basic YTpi", "Bearer\tx", "Bearerx y"])
    async def test_absent(self, client: httpx.AsyncClient, authorization: str | None) -> None:
        headers = {} if authorization is None else {"Authorization": authorization}
        response = await client.get("/api/users/me", headers=headers)
        assert_error(response, 401, "unauthorized", "Authentication is required.")
        assert response.headers["www-authenticate"] == "Bearer"

    @pytest.mark.parametrize("form", ["bearer {}", "BEARER   {}  ", "Bearer {}\t"])
    async def test_scheme_in_any_case_and_more_blanks(self, client: httpx.AsyncClient, issuer: Any, form: str) -> None:
        authorization = form.format(issuer.token())
        response = await client.get("/api/users/me", headers={"Authorization": authorization})
        assert response.status_code == 200

    @pytest.mark.parametrize("token", ["", "x", "a.b.c", "é", "e30.e30.e30", "." * 5000, "null.null."])
    async def test_no_token_at_all(self, client: httpx.AsyncClient, token: str) -> None:
        headers = {b"Authorization": f"Bearer {token}".encode("latin-1")}
        assert_invalid_token(await client.get("/api/users/me", headers=headers))

    @pytest.mark.parametrize(
        "changes",
        [
            {"exp": 0},
            {"exp": None},
            {"exp": "soon"},
            {"exp": []},
            {"exp": float("inf")},
            {"nbf": time.time() + 600},
            {"iss": "https://elsewhere.example"},
            {"iss": None},
            {"aud": "another"},
            {"aud": ["another"]},
            {"aud": None},
            {"subject": None},
            {"subject": 1},
            {"subject": "1"},
            {"subject": "user-0"},
            {"subject": "user-1\n"},
            {"subject": "user-\u0661"},
            {"subject": "user-99"},
            {"subject": "user-3"},
            {"kid": "unknown"},
        ],
        ids=lambda changes: next(iter(changes)),
    )
    async def test_invalid(self, client: httpx.AsyncClient, bearer: Bearer, changes: dict[str, Any]) -> None:
        assert_invalid_token(await client.get("/api/users/me", headers=bearer(**changes)))

    async def test_expires_without_leeway(self, client: httpx.AsyncClient, bearer: Bearer) -> None:
        assert_invalid_token(await client.get("/api/users/me", headers=bearer(exp=int(time.time()))))

    async def test_audience_may_be_a_list(self, client: httpx.AsyncClient, bearer: Bearer) -> None:
        response = await client.get("/api/users/me", headers=bearer(aud=["other", "shop"]))
        assert response.status_code == 200

    async def test_signed_by_another_key_or_changed(self, client: httpx.AsyncClient, issuer: Any) -> None:
        stranger = type(issuer)()
        head, payload, signature = issuer.token().split(".")
        _, staff, _ = issuer.token("user-2").split(".")
        for token in (stranger.token(), f"{head}.{staff}.{signature}", f"{head}.{payload}."):
            headers = {"Authorization": f"Bearer {token}"}
            assert_invalid_token(await client.get("/api/users/me", headers=headers))

    async def test_algorithm_is_not_the_tokens_choice(self, client: httpx.AsyncClient, issuer: Any) -> None:
        claims = jwt.decode(issuer.token(), options={"verify_signature": False})
        unsigned = jwt.encode(claims, "", algorithm="none", headers={"kid": issuer.kid})
        public = issuer.jwk()["n"]
        confused = jwt.encode(claims, public, algorithm="HS256", headers={"kid": issuer.kid})
        pss = jwt.encode(claims, issuer.key, algorithm="PS256", headers={"kid": issuer.kid})
        for token in (unsigned, confused, pss):
            headers = {"Authorization": f"Bearer {token}"}
            assert_invalid_token(await client.get("/api/users/me", headers=headers))

    async def test_two_are_none(self, client: httpx.AsyncClient, issuer: Any) -> None:
        value = f"Bearer {issuer.token()}"
        headers = [("Authorization", value), ("Authorization", value)]
        assert_invalid_token(await client.get("/api/users/me", headers=headers))


class TestAnotherUser:
    async def test_shown_with_the_scope_inactive_ones_too(self, client: httpx.AsyncClient, bearer: Bearer) -> None:
        headers = bearer("user-2", "profile users:read")
        assert (await client.get("/api/users/1", headers=headers)).json() == ALICE
        assert (await client.get("/api/users/3", headers=headers)).json()["name"] == "gone"

    @pytest.mark.parametrize("scope", ["profile", "users:reader", None, ["users:read"], "users:read\t"])
    async def test_needs_the_scope_even_for_oneself(
        self, client: httpx.AsyncClient, bearer: Bearer, scope: object
    ) -> None:
        response = await client.get("/api/users/1", headers=bearer("user-1", scope))
        assert_error(response, 403, "insufficient_scope", "The access token lacks a scope.")
        challenge = 'Bearer error="insufficient_scope", scope="users:read"'
        assert response.headers["www-authenticate"] == challenge

    async def test_unknown(self, client: httpx.AsyncClient, bearer: Bearer) -> None:
        headers = bearer("user-2", "users:read")
        response = await client.get("/api/users/999999999999999999", headers=headers)
        assert_error(response, 404, "not_found", "No such resource.")


class TestPaths:
    @pytest.mark.parametrize(
        "path",
        [
            "/",
            "/api/users",
            "/api/users/",
            "/api/users/me/",
            "/api/users/ME",
            "/api/users/me%0a",
            "/api/users/0",
            "/api/users/007",
            "/api/users/abc",
            "/api/users/1%0A",
            "/api/users/%D9%A1",
            "/api/users/1234567890123456789",
            "/API/users/1",
        ],
    )
    @pytest.mark.parametrize("method", ["GET", "POST"])
    async def test_unknown_whatever_the_method(
        self, client: httpx.AsyncClient, bearer: Bearer, method: str, path: str
    ) -> None:
        response = await client.request(method, path, headers=bearer("user-2", "users:read"))
        assert_error(response, 404, "not_found", "No such resource.")

    async def test_matched_decoded(self, client: httpx.AsyncClient, bearer: Bearer) -> None:
        assert (await client.get("/api/users/%6de", headers=bearer())).status_code == 200

    @pytest.mark.parametrize(
        ("path", "allowed"), [("/api/users/me", "GET, HEAD, PATCH"), ("/api/users/1", "GET, HEAD")]
    )
    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
    async def test_other_methods_before_the_token(
        self, client: httpx.AsyncClient, method: str, path: str, allowed: str
    ) -> None:
        response = await client.request(method, path)
        assert_error(response, 405, "method_not_allowed", "The method is not allowed here.")
        assert response.headers["allow"] == allowed


class TestChange:
    async def patch(self, client: httpx.AsyncClient, headers: dict[str, str], content: object) -> httpx.Response:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        headers = {"Content-Type": "application/json", **headers}
        return await client.patch("/api/users/me", headers=headers, content=body)

    async def test_is_kept(self, client: httpx.AsyncClient, bearer: Bearer) -> None:
        change = {"full_name": " Alice Änders\n", "email": "a@b.c"}
        response = await self.patch(client, bearer(), change)
        changed = ALICE | {"full_name": "Alice Änders", "email": "a@b.c"}
        assert (response.status_code, response.json()) == (200, changed)
        assert (await client.get("/api/users/me", headers=bearer())).json() == changed
        assert (await client.get("/api/users/me", headers=bearer("user-2"))).json()["id"] == 2

    async def test_of_nothing_shows_the_user(self, client: httpx.AsyncClient, bearer: Bearer) -> None:
        response = await self.patch(client, bearer(), {})
        assert (response.status_code, response.json()) == (200, ALICE)

    @pytest.mark.parametrize("name", ["A", "x" * 150, "\t x \x1f", "名前"])
    async def test_good_names(self, client: httpx.AsyncClient, bearer: Bearer, name: str) -> None:
        response = await self.patch(client, bearer(), {"full_name": name})
        assert response.json()["full_name"] == name.strip()

    @pytest.mark.parametrize("name", ["", "  ", "x" * 151, "a\tb", "\x7f", "\ud800", 1, None, ["A"]], ids=repr)
    async def test_bad_names(self, client: httpx.AsyncClient, bearer: Bearer, name: object) -> None:
        response = await self.patch(client, bearer(), {"full_name": name, "email": "new@shop.example"})
        assert response.status_code == 400
        assert response.json()["error"]["code"] == "invalid"
        assert response.json()["error"]["fields"] == {"full_name": "must be a text of 1 to 150 characters"}
        assert (await client.get("/api/users/me", headers=bearer())).json() == ALICE

    @pytest.mark.parametrize("email", ["a@b.c", "ä@ö.ü", f"{'x' * 250}@b.c", "a@b.c.d"])
    async def test_good_addresses(self, client: httpx.AsyncClient, bearer: Bearer, email: str) -> None:
        assert (await self.patch(client, bearer(), {"email": email})).json()["email"] == email

    @pytest.mark.parametrize(
        "email", ["", "a", "a@b", "a@@b.c", " a@b.c", "a@b.c\n", "a@b\x00.c", f"{'x' * 251}@b.c", 1, None]
    )
    async def test_bad_addresses(self, client: httpx.AsyncClient, bearer: Bearer, email: object) -> None:
        response = await self.patch(client, bearer(), {"email": email})
        assert response.json()["error"]["fields"] == {"email": "must be an e-mail address"}

    async def test_every_wrong_field_is_named_in_order(self, client: httpx.AsyncClient, bearer: Bearer) -> None:
        body = b'{"zz":1,"id":2,"\\u0001":1,"\\ud800":2,"\xc3\xa4":3,"email":1,"full_name":2}'
        response = await self.patch(client, bearer(), body)
        assert (
            response.content
            == (
                '{"error":{"code":"invalid","message":"Some values are invalid.","fields":{'
                '"full_name":"must be a text of 1 to 150 characters","email":"must be an e-mail address",'
                '"?":"cannot be set","id":"cannot be set","zz":"cannot be set","ä":"cannot be set"}}}'
            ).encode()
        )

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"[]",
            b"null",
            b'"x"',
            b"\xef\xbb\xbf{}",
            b'{"email":"\xff"}',
            "{}".encode("utf-16"),
            b'{"email":NaN}',
            b'{"email":-Infinity}',
            b'{"x":' + b"[" * 60000,
            b'{"x":' + b"[" * 100 + b"]" * 100 + b"}",
            b'{"x":' + b"9" * 4301 + b"}",
        ],
        ids=lambda body: repr(body[:20]),
    )
    async def test_malformed(self, client: httpx.AsyncClient, bearer: Bearer, body: bytes) -> None:
        response = await self.patch(client, bearer(), body)
        assert_error(response, 400, "malformed", "The body is not a JSON object.")

    async def test_of_a_repeated_key_the_last_counts(self, client: httpx.AsyncClient, bearer: Bearer) -> None:
        response = await self.patch(client, bearer(), b'{"email":1,"email":"last@shop.example"}')
        assert response.json()["email"] == "last@shop.example"

    @pytest.mark.parametrize("media_type", ["", "text/plain", "application/jsonx", "application/json, a/b"])
    async def test_other_media_types(self, client: httpx.AsyncClient, bearer: Bearer, media_type: str) -> None:
        response = await self.patch(client, bearer() | {"Content-Type": media_type}, b"x" * 70000)
        assert_error(response, 415, "unsupported_media_type", "The body must be application/json.")

    async def test_two_media_types_are_none(self, client: httpx.AsyncClient, bearer: Bearer) -> None:
        media_types = [("Content-Type", "application/json"), ("Content-Type", "application/json")]
        headers = [*bearer().items(), *media_types]
        response = await client.patch("/api/users/me", headers=headers, content=b"{}")
        assert_error(response, 415, "unsupported_media_type", "The body must be application/json.")

    @pytest.mark.parametrize("media_type", ["Application/JSON", "application/json; charset=latin-1"])
    async def test_media_type_loosely_written(self, client: httpx.AsyncClient, bearer: Bearer, media_type: str) -> None:
        response = await self.patch(client, bearer() | {"Content-Type": media_type}, {})
        assert response.status_code == 200

    async def test_size(self, client: httpx.AsyncClient, bearer: Bearer) -> None:
        fits = b'{"email":"a@b.c"' + b" " * (65536 - 17) + b"}"
        assert (await self.patch(client, bearer(), fits)).status_code == 200
        message = "The body is larger than 65536 bytes."
        assert_error(await self.patch(client, bearer(), fits + b" "), 413, "too_large", message)

        async def pieces() -> Any:
            for _ in range(10):
                yield b" " * 10000

        headers = bearer() | {"Content-Type": "application/json"}
        response = await client.patch("/api/users/me", headers=headers, content=pieces())
        assert_error(response, 413, "too_large", message)

    async def test_token_before_body(self, client: httpx.AsyncClient) -> None:
        response = await client.patch("/api/users/me", content=b"x")
        assert_error(response, 401, "unauthorized", "Authentication is required.")
