"""The shop behind the gateway: its routes, its sessions' identities, and copies of its orders."""

import io
import json
import time

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.test import Client, TransactionTestCase
from django_strangler import headers, signatures
from django_strangler.conf import options
from django_strangler.tokens.verify import GatewayIdentity

from accounts.identity import user_of
from accounts.models import User
from catalog.models import Product
from orders.models import Order
from shop.testing import ShopTestCase, make_product, make_user

SESSION = "/.strangler/session"


def signed(purpose: str, path: str, body: bytes) -> str:
    """A stamp of the gateway on a POST."""
    return signatures.stamp(
        options().secrets[0], purpose, ("POST", path, signatures.body_digest(body)), time.time()
    )


class Inventory(ShopTestCase):
    def test_every_route_is_listed_with_its_app_and_methods(self) -> None:
        out = io.StringIO()
        call_command("strangler_inventory", stdout=out)
        routes = {route["name"]: route for route in json.loads(out.getvalue())["routes"] if route["name"]}
        self.assertEqual(
            (routes["api-orders"]["app"], routes["api-orders"]["methods"], routes["api-orders"]["view"]),
            ("orders", ["GET", "HEAD", "POST"], "orders.api.list_orders"),
        )
        self.assertEqual(routes["account"]["decorators"], {"login_required": True, "never_cache": True})

    def test_the_checks_find_nothing(self) -> None:
        out = io.StringIO()
        call_command("check", stdout=out)
        self.assertIn("no issues", out.getvalue())


class Identity(ShopTestCase):
    def test_a_session_has_the_identity_of_the_users_tokens(self) -> None:
        alice = make_user("alice")
        self.client.force_login(alice)
        body = json.dumps({"session": self.client.cookies[settings.SESSION_COOKIE_NAME].value}).encode()
        call = {headers.CALL: signed(signatures.SESSION_CALL, SESSION, body)}
        response = Client().post(SESSION, body, "application/json", headers=call)
        self.assertEqual(response.status_code, 200)

    def test_an_identity_means_the_user_of_the_shop(self) -> None:
        alice = make_user("alice")
        self.assertEqual(user_of(GatewayIdentity(alice.subject, frozenset(), {})), alice)
        for subject in ("user-0", "user-999", "alice", ""):
            self.assertIsNone(user_of(GatewayIdentity(subject, frozenset(), {})))


class CopiedOrders(TransactionTestCase):
    def test_a_copy_of_an_order_takes_no_stock(self) -> None:
        from accounts import tokens

        product, user = make_product(stock=5), make_user("alice")
        body = json.dumps({"items": [{"product_id": product.pk, "quantity": 2}]}).encode()
        sent = {
            "Authorization": f"Bearer {tokens.issue(user)['access_token']}",
            headers.SHADOW: signed(signatures.SHADOW, "/api/orders", body),
        }
        response = Client().post("/api/orders", body, "application/json", headers=sent)
        self.assertEqual(response.status_code, 201, response.content)
        self.assertTrue(response.headers[headers.GUARDED].startswith("v1.none."))
        self.assertEqual((Order.objects.count(), Product.objects.get().stock), (0, 5))
        self.assertFalse(connection.in_atomic_block)
        self.assertEqual(User.objects.count(), 1)
