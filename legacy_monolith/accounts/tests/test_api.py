"""The identity routes of the API."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt
from django.conf import settings

from accounts import tokens
from accounts.models import User
from shop.testing import ShopTestCase, make_user

TOKEN = "/api/auth/token"
ME = "/api/users/me"


def represented(user: User) -> dict[str, object]:
    return {
        "id": user.pk,
        "subject": f"user-{user.pk}",
        "name": user.username,
        "full_name": user.full_name,
        "email": user.email,
        "is_staff": user.is_staff,
        "created_at": "2025-11-01T09:00:00Z",
    }


class IssuingTokens(ShopTestCase):
    def setUp(self) -> None:
        self.alice = make_user("alice")

    def test_a_token_for_the_right_password(self) -> None:
        response = self.call("POST", TOKEN, {"name": "alice", "password": "alice-password", "x": 1})
        answer = json.loads(response.content)
        self.assertEqual(list(answer), ["access_token", "token_type", "expires_in", "scope"])
        self.assertEqual(answer["scope"], "profile orders")
        self.assertEqual((answer["token_type"], answer["expires_in"]), ("Bearer", 3600))
        self.assertEqual(response.headers["Cache-Control"], "no-store")

        keys = jwt.PyJWKSet.from_dict(json.loads(self.call("GET", "/.well-known/jwks.json").content))
        header = jwt.get_unverified_header(answer["access_token"])
        self.assertEqual(header, {"alg": "RS256", "kid": keys.keys[0].key_id, "typ": "JWT"})
        claims = jwt.decode(
            answer["access_token"],
            keys[header["kid"]].key,
            algorithms=["RS256"],
            audience="shop",
            issuer="https://id.shop.example",
        )
        self.assertEqual(claims["sub"], f"user-{self.alice.pk}")
        self.assertEqual(claims["exp"] - claims["iat"], 3600)
        self.assertEqual(list(claims), ["iss", "sub", "aud", "iat", "exp", "scope"])

    def test_staff_may_read_users(self) -> None:
        make_user("admin", is_staff=True)
        response = self.call("POST", TOKEN, {"name": "admin", "password": "admin-password"})
        self.assertEqual(json.loads(response.content)["scope"], "profile orders users:read")

    def test_wrong_credentials(self) -> None:
        make_user("mallory", is_active=False)
        for name, password in (
            ("alice", "wrong"), ("nobody", "x"), ("Alice", "alice-password"), (" alice", "alice-password"),
            ("mallory", "mallory-password"), ("a\0", "x"), ("alice", "\ud800"), ("\ud800", "x"),
        ):  # fmt: skip
            with self.subTest(name=name, password=password):
                response = self.call("POST", TOKEN, {"name": name, "password": password})
                self.assert_json(
                    response,
                    401,
                    {"error": {"code": "invalid_credentials", "message": "Wrong name or password."}},
                )
                self.assertEqual(response.headers["WWW-Authenticate"], "Bearer")

    def test_missing_and_mistyped_fields(self) -> None:
        self.assert_error(self.call("POST", TOKEN, {}), 400, "invalid", name="is required",
                          password="is required")  # fmt: skip
        self.assert_error(self.call("POST", TOKEN, {"name": None, "password": 7}), 400, "invalid",
                          name="is required", password="must be a string")  # fmt: skip

    def test_bodies_that_are_no_json_object(self) -> None:
        for body in (b" ", b"{", b"[]", b'"x"', b'{"name":NaN}', b"\xef\xbb\xbf{}", b'{"a":"\xff"}',
                     b"[" * 60000, b'{"a":' + b"9" * 5000 + b"}"):  # fmt: skip
            with self.subTest(body[:20]):
                response: Any = self.client.generic("POST", TOKEN, body, content_type="application/json")
                self.assert_json(
                    response,
                    400,
                    {"error": {"code": "malformed", "message": "The body is not a JSON object."}},
                )

    def test_nesting_has_a_limit(self) -> None:
        for depth, code in ((100, "invalid"), (101, "malformed"), (900, "malformed")):
            lists = depth - 1  # the object around them is the first level
            for value in (b"[" * lists + b"]" * lists, b'{"a":' * lists + b"1" + b"}" * lists):
                body = b'{"x":' + value + b',"brackets in a string":"' + b"[{" * 200 + b'\\""}'
                response: Any = self.client.generic("POST", TOKEN, body, content_type="application/json")
                self.assertEqual(json.loads(response.content)["error"]["code"], code)

    def test_other_media_types_and_sizes(self) -> None:
        for media_type, status in (
            ("text/plain", 415), ("", 415), ("application/json-patch+json", 415),
            ("application/x-www-form-urlencoded", 415), ("APPLICATION/JSON ; charset=latin-1", 400),
        ):  # fmt: skip
            with self.subTest(media_type):
                response = self.client.generic("POST", TOKEN, b"{", content_type=media_type)
                self.assertEqual(response.status_code, status)
        fits = b'{"a":"' + b"x" * (65536 - 8) + b'"}'
        self.assertEqual(len(fits), 65536)
        for body, status in ((fits, 400), (fits + b" ", 413), (b"x" * 4_000_000, 413)):
            response = self.client.generic("POST", TOKEN, body, content_type="application/json")
            self.assertEqual(response.status_code, status)

    def test_other_methods(self) -> None:
        response = self.call("GET", TOKEN)
        self.assert_error(response, 405, "method_not_allowed")
        self.assertEqual(response.headers["Allow"], "POST")

    def test_the_committed_key_set_is_the_one_served(self) -> None:
        response = self.call("GET", "/.well-known/jwks.json")
        committed = Path(settings.BASE_DIR).parent / "config" / "dev" / "jwks.json"
        self.assert_json(response, 200, json.loads(committed.read_text()))
        self.assertEqual(response.headers["Cache-Control"], "public, max-age=300")
        again = self.call("GET", "/.well-known/jwks.json", If_None_Match=response.headers["ETag"])
        self.assertEqual(again.status_code, 304)


class CheckingTokens(ShopTestCase):
    def setUp(self) -> None:
        self.alice = make_user("alice")
        now = int(time.time())
        self.claims: dict[str, object] = {
            "iss": "https://id.shop.example",
            "sub": self.alice.subject,
            "aud": "shop",
            "exp": now + 60,
        }

    def signed(self, headers: dict[str, object] | None = None, **changes: object) -> str:
        claims = {key: value for key, value in (self.claims | changes).items() if value is not None}
        return jwt.encode(claims, tokens.signing_key().private, "RS256", headers=headers)

    def status(self, token: str) -> int:
        return self.call("GET", ME, Authorization=f"Bearer {token}").status_code

    def test_good_tokens(self) -> None:
        self.assertEqual(self.status(self.signed()), 200)
        self.assertEqual(self.status(self.signed(aud=["other", "shop"])), 200)
        self.assertEqual(self.status(self.signed({"kid": tokens.signing_key().kid})), 200)
        response = self.call("GET", ME, Authorization=f"bEARER   {self.signed()}")
        self.assertEqual(response.status_code, 200)

    def test_tokens_with_wrong_claims(self) -> None:
        inactive = make_user("mallory", is_active=False)
        for changes in (
            {"exp": int(time.time()) - 1}, {"exp": None}, {"exp": "soon"}, {"aud": "other"}, {"aud": None},
            {"iss": "https://evil.example"}, {"iss": None}, {"nbf": int(time.time()) + 60}, {"sub": None},
            {"sub": 1}, {"sub": "1"}, {"sub": "user-0"}, {"sub": "user-999"}, {"sub": "user-" + "9" * 19},
            {"sub": f"{self.alice.subject}\n"}, {"sub": inactive.subject},
        ):  # fmt: skip
            with self.subTest(changes):
                payload = {k: v for k, v in (self.claims | changes).items() if v is not None}
                # Not jwt.encode: it refuses to make some of these.
                token = jwt.api_jws.encode(
                    json.dumps(payload).encode(), tokens.signing_key().private, "RS256"
                )
                self.assertEqual(self.status(token), 401)

    def test_tokens_with_wrong_signatures(self) -> None:
        good = self.signed()
        pem = Path(settings.JWT_SIGNING_KEY).read_bytes()
        header, payload, signature = good.split(".")
        for token in (
            jwt.encode(self.claims, None, "none"),  # type: ignore[arg-type]
            jwt.encode(self.claims, pem.replace(b"-", b"")[:64], "HS256"),
            f"{header}.{payload}.", f"{header}.{payload}", f"{header}.{payload}x.{signature}", "",
            "x", "a.b.c",
            f"{header}.{payload}.{'A' * len(signature)}", self.signed({"kid": "other"}), f"{good} {good}",
        ):  # fmt: skip
            with self.subTest(token[:30]):
                self.assertEqual(self.status(token), 401)

    def test_how_refusals_look(self) -> None:
        for header in ("", "Basic YWxpY2U6eA==", "Token x"):
            response = self.call("GET", ME, Authorization=header)
            self.assert_json(
                response, 401, {"error": {"code": "unauthorized", "message": "Authentication is required."}}
            )
            self.assertEqual(response.headers["WWW-Authenticate"], "Bearer")
        for header in ("Bearer", "Bearer ", "Bearer x"):
            response = self.call("GET", ME, Authorization=header)
            self.assert_json(
                response,
                401,
                {"error": {"code": "invalid_token", "message": "The access token is invalid or expired."}},
            )
            self.assertEqual(response.headers["WWW-Authenticate"], 'Bearer error="invalid_token"')

    def test_a_session_is_no_token(self) -> None:
        self.client.force_login(self.alice)
        self.assertEqual(self.call("GET", ME).status_code, 401)


class Users(ShopTestCase):
    def setUp(self) -> None:
        opened = datetime(2025, 11, 1, 9, tzinfo=UTC)
        self.alice = make_user("alice", full_name="Alice Ädler", date_joined=opened)
        self.admin = make_user("admin", is_staff=True, date_joined=opened)
        self.mallory = make_user("mallory", is_active=False, date_joined=opened)

    def test_me(self) -> None:
        self.assert_json(self.call("GET", ME, user=self.alice), 200, represented(self.alice))

    def test_changing_me(self) -> None:
        response = self.call("PATCH", ME, {"full_name": "  Alice Børg ", "email": "a@b.c"}, user=self.alice)
        self.alice.refresh_from_db()
        self.assertEqual((self.alice.full_name, self.alice.email), ("Alice Børg", "a@b.c"))
        self.assert_json(response, 200, represented(self.alice))
        self.assert_json(self.call("PATCH", ME, {}, user=self.alice), 200, represented(self.alice))

    def test_nothing_changes_unless_all_is_right(self) -> None:
        response = self.call(
            "PATCH", ME,
            {"zeta": 1, "email": "no mail", "is_staff": True, "full_name": "Eve", "a\n": 1},
            user=self.alice,
        )  # fmt: skip
        unknown = dict.fromkeys(("?", "is_staff", "zeta"), "cannot be set")
        self.assert_error(response, 400, "invalid", email="must be an e-mail address", **unknown)
        self.assertEqual(
            list(json.loads(response.content)["error"]["fields"]), ["email", "?", "is_staff", "zeta"]
        )
        self.alice.refresh_from_db()
        self.assertEqual(self.alice.full_name, "Alice Ädler")
        self.assertFalse(self.alice.is_staff)

    def test_values_that_are_refused(self) -> None:
        for body in (
            {"full_name": ""}, {"full_name": "  "}, {"full_name": "x" * 151}, {"full_name": None},
            {"full_name": 7}, {"full_name": "a\0b"}, {"full_name": "\ud800"}, {"email": None},
            {"email": "a@b"}, {"email": " a@b.c"}, {"email": "a@b.c\n"}, {"email": "a@@b.c"},
            {"email": "x" * 250 + "@b.cd"},
        ):  # fmt: skip
            with self.subTest(str(body)[:40]):
                self.assertEqual(self.call("PATCH", ME, body, user=self.alice).status_code, 400)
        self.assertEqual(self.call("PATCH", ME, {"full_name": "x" * 150}, user=self.alice).status_code, 200)

    def test_changing_me_needs_a_token_first_of_all(self) -> None:
        response = self.client.patch(ME, b"{", content_type="text/plain")
        self.assertEqual(response.status_code, 401)

    def test_others_need_the_scope(self) -> None:
        path = f"/api/users/{self.mallory.pk}"
        self.assert_json(self.call("GET", path, user=self.admin), 200, represented(self.mallory))
        self.assertEqual(self.call("GET", path).status_code, 401)
        for target in (self.mallory.pk, self.alice.pk, 999):
            response = self.call("GET", f"/api/users/{target}", user=self.alice)
            self.assert_error(response, 403, "insufficient_scope")
            self.assertEqual(
                response.headers["WWW-Authenticate"],
                'Bearer error="insufficient_scope", scope="users:read"',
            )
        self.assert_error(self.call("GET", "/api/users/999", user=self.admin), 404, "not_found")

    def test_other_methods(self) -> None:
        self.assertEqual(self.call("DELETE", ME).headers["Allow"], "GET, HEAD, PATCH")
        self.assertEqual(self.call("PATCH", "/api/users/1").headers["Allow"], "GET, HEAD")
