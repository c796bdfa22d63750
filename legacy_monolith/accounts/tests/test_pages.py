"""Logging in and out, CSRF, and the account page."""

import re
from typing import Any

from django.test import Client, override_settings

from shop.testing import ShopTestCase, make_user

CREDENTIALS = {"username": "alice", "password": "alice-password"}


def csrf_token(page: str) -> str:
    """The token in the form of a page."""
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert found is not None
    return found[1]


class Login(ShopTestCase):
    def setUp(self) -> None:
        self.alice = make_user("alice")
        self.browser = Client(enforce_csrf_checks=True)

    def log_in(self, **extra: str) -> Any:
        token = csrf_token(self.browser.get("/login/").content.decode())
        return self.browser.post("/login/", CREDENTIALS | {"csrfmiddlewaretoken": token} | extra)

    def test_the_account_asks_for_a_login_and_comes_back(self) -> None:
        page: Any = self.browser.get("/account/")
        self.assertEqual(page.headers["Location"], "http://testserver/login/?next=/account/")
        page = self.log_in(next="/account/")
        self.assertEqual(page.status_code, 302)
        self.assertEqual(page.headers["Location"], "http://testserver/account/")
        self.assertTrue(self.browser.cookies["sessionid"]["httponly"])
        self.assertEqual(self.browser.cookies["sessionid"]["samesite"], "Lax")
        page = self.browser.get("/account/")
        self.assertContains(page, "<h1>Alice</h1>")
        self.assertIn("no-store", page.headers["Cache-Control"])
        self.assertNotIn("ETag", page.headers)

    def test_a_login_never_leads_away_from_the_shop(self) -> None:
        for target in ("https://evil.example/", "//evil.example/", "javascript:alert(1)"):
            self.browser = Client(enforce_csrf_checks=True)
            page = self.log_in(next=target)
            self.assertEqual(page.headers["Location"], "http://testserver/account/")

    def test_a_login_without_csrf_token_is_refused(self) -> None:
        self.browser.get("/login/")
        with self.assertLogs("django.security.csrf"):
            self.assertEqual(self.browser.post("/login/", CREDENTIALS).status_code, 403)
        self.assertNotIn("sessionid", self.browser.cookies)

    def test_a_login_from_another_origin_is_refused(self) -> None:
        token = csrf_token(self.browser.get("/login/").content.decode())
        body = CREDENTIALS | {"csrfmiddlewaretoken": token}
        foreign = {"Origin": "https://evil.example"}
        with self.assertLogs("django.security.csrf"):
            self.assertEqual(self.browser.post("/login/", body, headers=foreign).status_code, 403)
        own = {"Origin": "http://testserver"}
        self.assertEqual(self.browser.post("/login/", body, headers=own).status_code, 302)

    def test_a_wrong_password(self) -> None:
        page = self.log_in(password="wrong")
        self.assertContains(page, "Please enter a correct username and password")

    def test_logging_out_takes_a_post(self) -> None:
        self.log_in()
        page = self.browser.get("/logout/")
        self.assertContains(page, "Log out?")
        self.assertEqual(self.browser.get("/account/").status_code, 200)
        with self.assertLogs("django.security.csrf"):
            self.assertEqual(self.browser.post("/logout/").status_code, 403)
        token = csrf_token(page.content.decode())
        self.assertContains(self.browser.post("/logout/", {"csrfmiddlewaretoken": token}), "logged out")
        self.assertEqual(self.browser.get("/account/").status_code, 302)

    def test_changing_the_account(self) -> None:
        self.client.force_login(self.alice)
        page = self.client.post(
            "/account/", {"full_name": "Alice Neu", "email": "new@shop.example"}, follow=True
        )
        self.assertContains(page, "Your details are saved.")
        self.assertContains(page, "<h1>Alice Neu</h1>")
        page = self.client.post("/account/", {"full_name": "", "email": "x"})
        self.assertContains(page, "Enter a valid email address.")

    def test_the_admin_is_for_staff(self) -> None:
        self.client.force_login(self.alice)
        self.assertEqual(self.client.get("/admin/").status_code, 302)
        self.client.force_login(make_user("admin", is_staff=True, is_superuser=True))
        for path in (
            "/admin/", "/admin/accounts/user/", "/admin/catalog/product/", "/admin/orders/order/",
            "/admin/payments/payment/", "/admin/accounts/user/add/",
            f"/admin/accounts/user/{self.alice.pk}/change/",
        ):  # fmt: skip
            with self.subTest(path):
                self.assertEqual(self.client.get(path).status_code, 200)


class StaleCookies(ShopTestCase):
    STALE = {"Cookie": "sessionid=expired; csrftoken=short"}

    def test_a_page_replaces_them(self) -> None:
        response = self.client.get("/login/", headers=self.STALE)
        self.assertEqual(response.cookies.keys(), {"sessionid", "csrftoken"})

    def test_the_api_neither_sees_nor_sets_any(self) -> None:
        user = make_user("alice")
        for path in ("/api/users/me", "/api/catalog/products", "/api", "/.well-known/jwks.json", "/healthz"):
            with self.subTest(path):
                response = self.client.get(path, headers=self.STALE | self.bearer(user))
                self.assertEqual(response.cookies.keys(), set())
                self.assertNotIn("Vary", response.headers)


class BehindAProxy(ShopTestCase):
    FORWARDED = {"X-Forwarded-Host": "shop.example", "X-Forwarded-Proto": "https"}

    def test_forwarded_headers_count_for_nothing_by_default(self) -> None:
        page = self.client.get("/account", headers=self.FORWARDED)
        self.assertEqual(page.headers["Location"], "http://testserver/account/")

    @override_settings(
        USE_X_FORWARDED_HOST=True,
        SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"),
        ALLOWED_HOSTS=["shop.example"],
    )
    def test_redirects_name_the_public_url(self) -> None:
        page = self.client.get("/account", headers=self.FORWARDED)
        self.assertEqual(page.headers["Location"], "https://shop.example/account/")

    @override_settings(CSRF_TRUSTED_ORIGINS=["https://shop.example"])
    def test_a_trusted_origin_may_post(self) -> None:
        make_user("alice")
        browser = Client(enforce_csrf_checks=True)
        body = CREDENTIALS | {"csrfmiddlewaretoken": csrf_token(browser.get("/login/").content.decode())}
        page = browser.post("/login/", body, headers={"Origin": "https://shop.example"})
        self.assertEqual(page.status_code, 302)

    def test_an_unknown_host_is_refused(self) -> None:
        with self.assertLogs("django.security.DisallowedHost"):
            self.assertEqual(self.client.get("/", headers={"Host": "evil.example"}).status_code, 400)
