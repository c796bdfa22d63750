"""What the tests of all apps share."""

import json
from typing import Any, cast

from django.http import HttpResponse
from django.test import TestCase, override_settings

from accounts import tokens
from accounts.models import User
from catalog.models import Category, Product


def make_user(name: str, **values: Any) -> User:
    """A user whose password is NAME-password."""
    return User.objects.create_user(
        name,
        email=f"{name}@shop.example",
        password=f"{name}-password",
        **{"full_name": name.title(), **values},
    )


def make_product(name: str = "Lamp", *, stock: int = 5, price_cents: int = 1250, **values: Any) -> Product:
    """A product on the shelf `things`."""
    category, _ = Category.objects.get_or_create(slug="things", defaults={"name": "Things"})
    number = Product.objects.count() + 1
    return Product.objects.create(
        **{"sku": f"THI-{number:03d}", "name": name, "category": category, **values},
        stock=stock,
        price_cents=price_cents,
    )


# Real password hashes are slow on purpose.
@override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"])
class ShopTestCase(TestCase):
    """A test that calls the API as its callers do, and compares whole bodies."""

    def bearer(self, user: User) -> dict[str, str]:
        """The headers of a request in the name of `user`."""
        return {"Authorization": f"Bearer {tokens.issue(user)['access_token']}"}

    def call(
        self, method: str, path: str, body: object = None, *, user: User | None = None, **headers: str
    ) -> HttpResponse:
        """One API request; `headers` are written with underscores."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if user is not None:
            sent |= self.bearer(user)
        data = b"" if body is None else json.dumps(body).encode()
        response = self.client.generic(method, path, data, content_type="application/json", headers=sent)
        return cast(HttpResponse, response)

    def assert_json(self, response: HttpResponse, status: int, expected: object) -> None:
        """The response is exactly `expected`, key order included."""
        self.assertEqual(response.status_code, status, response.content)
        text = json.dumps(expected, ensure_ascii=False, separators=(",", ":"))
        self.assertEqual(response.content.decode(), text)
        self.assertEqual(response.headers["Content-Type"], "application/json")
        self.assertEqual(response.headers["Content-Length"], str(len(text.encode())))

    def assert_error(self, response: HttpResponse, status: int, code: str, /, **fields: str) -> None:
        """The response is the error `code`, about exactly these fields."""
        self.assertEqual(response.status_code, status, response.content)
        error = json.loads(response.content)["error"]
        self.assertEqual(error["code"], code)
        self.assertEqual(error.get("fields", {}), fields)
        self.assertEqual(response.headers["Cache-Control"], "no-store")
        self.assertNotIn("ETag", response.headers)
