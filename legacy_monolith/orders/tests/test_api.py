"""The order routes of the API."""

import json
from datetime import UTC, datetime

from catalog.models import Product
from orders.models import Order
from orders.placing import place_order
from shop.api.responses import timestamp
from shop.testing import ShopTestCase, make_product, make_user

ORDERS = "/api/orders"
BAD_ITEMS = "must be 1 to 50 objects with product_id and quantity 1 to 99, each product once"


class Orders(ShopTestCase):
    def setUp(self) -> None:
        self.alice, self.bob = make_user("alice"), make_user("bob")
        self.lamp, self.mug = make_product(stock=3), make_product("Mug", stock=1, price_cents=999)

    def items(self, *items: tuple[object, object]) -> dict[str, object]:
        return {"items": [{"product_id": product, "quantity": quantity} for product, quantity in items]}

    def test_placing(self) -> None:
        response = self.call("POST", ORDERS, self.items((self.mug.pk, 1), (self.lamp.pk, 2)), user=self.alice)
        order = Order.objects.get()
        expected = {
            "id": order.pk,
            "status": "pending",
            "total": "34.99",
            "currency": "EUR",
            "items": [
                {"product_id": self.mug.pk, "sku": "THI-002", "name": "Mug", "quantity": 1,
                 "unit_price": "9.99", "line_total": "9.99"},
                {"product_id": self.lamp.pk, "sku": "THI-001", "name": "Lamp", "quantity": 2,
                 "unit_price": "12.50", "line_total": "25.00"},
            ],
            "created_at": timestamp(order.created_at),
            "paid_at": None,
        }  # fmt: skip
        self.assert_json(response, 201, expected)
        self.assertEqual(response.headers["Location"], f"/api/orders/{order.pk}")
        self.assert_json(self.call("GET", f"{ORDERS}/{order.pk}", user=self.alice), 200, expected)

    def test_too_little_stock(self) -> None:
        response = self.call("POST", ORDERS, self.items((self.mug.pk, 2), (self.lamp.pk, 3)), user=self.alice)
        self.assert_json(
            response,
            409,
            {
                "error": {
                    "code": "out_of_stock",
                    "message": "Not enough stock.",
                    "fields": {str(self.mug.pk): "only 1 left"},
                }
            },
        )
        self.assertEqual(Product.objects.get(pk=self.lamp.pk).stock, 3)

    def test_unknown_products(self) -> None:
        for product_id in (999, 0, -1, 10**17):
            response = self.call(
                "POST", ORDERS, self.items((self.lamp.pk, 1), (product_id, 1)), user=self.alice
            )
            self.assert_error(response, 400, "invalid", items=f"there is no product {product_id}")

    def test_items_that_make_no_sense(self) -> None:
        good = {"product_id": self.lamp.pk, "quantity": 1}
        items: object
        for items in (
            None, {}, [], "x", [1], [None], [good, good], [{**good, "quantity": 0}], [{"quantity": 1}],
            [{**good, "quantity": 100}], [{**good, "quantity": True}], [{**good, "quantity": "1"}],
            [{**good, "quantity": 1.0}], [{**good, "product_id": True}], [{**good, "product_id": 10**30}],
            [{"product_id": number, "quantity": 1} for number in range(51)],
        ):  # fmt: skip
            with self.subTest(str(items)[:60]):
                response = self.call("POST", ORDERS, {"items": items}, user=self.alice)
                self.assert_error(response, 400, "invalid", items=BAD_ITEMS)
        self.assertEqual(Order.objects.count(), 0)

    def test_one_sees_only_ones_own(self) -> None:
        order = place_order(self.bob, {self.lamp.pk: 1})
        self.assert_error(self.call("GET", f"{ORDERS}/{order.pk}", user=self.alice), 404, "not_found")
        self.assert_error(self.call("POST", f"{ORDERS}/{order.pk}/pay", user=self.alice), 404, "not_found")
        self.assertEqual(json.loads(self.call("GET", ORDERS, user=self.alice).content)["count"], 0)

    def test_listing(self) -> None:
        for _ in range(3):
            Order.objects.create(user=self.alice, total_cents=5, created_at=datetime(2026, 1, 1, tzinfo=UTC))
        newest = Order.objects.first()
        assert newest is not None
        Order.objects.filter(pk=newest.pk).update(status="cancelled")
        listed = json.loads(self.call("GET", f"{ORDERS}?page_size=1", user=self.alice).content)
        self.assertEqual(listed["results"][0]["id"], newest.pk)
        self.assertEqual((listed["count"], listed["next"]), (3, "/api/orders?page=2&page_size=1"))
        listed = json.loads(self.call("GET", f"{ORDERS}?status=pending&page_size=1", user=self.alice).content)
        self.assertEqual(listed["next"], "/api/orders?status=pending&page=2&page_size=1")
        self.assert_error(
            self.call("GET", f"{ORDERS}?status=lost&page=x", user=self.alice), 400, "invalid",
            status="must be one of pending, paid, cancelled", page="must be a whole number from 1 to 999999",
        )  # fmt: skip

    def test_everything_needs_a_token(self) -> None:
        for method, path in (("GET", ORDERS), ("POST", ORDERS), ("GET", f"{ORDERS}/1"),
                             ("POST", f"{ORDERS}/1/pay")):  # fmt: skip
            self.assert_error(self.call(method, path), 401, "unauthorized")

    def test_other_methods(self) -> None:
        for path, allowed in (
            (ORDERS, "GET, HEAD, POST"),
            (f"{ORDERS}/1", "GET, HEAD"),
            (f"{ORDERS}/1/pay", "POST"),
        ):
            self.assertEqual(self.call("DELETE", path).headers["Allow"], allowed)
