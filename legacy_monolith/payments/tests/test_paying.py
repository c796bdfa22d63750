"""Paying, by the API and at once."""

import json

from orders.models import Order
from orders.placing import cancel_order, place_order
from payments.charging import NotPayable, pay_order
from payments.models import Payment
from shop.testing import ShopTestCase, make_product, make_user


class Paying(ShopTestCase):
    def setUp(self) -> None:
        self.alice = make_user("alice")
        self.order = place_order(self.alice, {make_product().pk: 2})
        self.path = f"/api/orders/{self.order.pk}/pay"

    def test_paying(self) -> None:
        response = self.client.post(self.path, headers=self.bearer(self.alice))
        self.assertEqual(response.status_code, 200)
        answer = json.loads(response.content)
        self.assertEqual(answer["status"], "paid")
        self.assertRegex(answer["paid_at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertEqual(answer, json.loads(self.call("GET", self.path[:-4], user=self.alice).content))
        self.assertEqual(Payment.objects.get().amount, "25.00")

    def test_paying_twice(self) -> None:
        stale = Order.objects.get()
        pay_order(self.order)
        self.assert_json(
            self.call("POST", self.path, user=self.alice),
            409,
            {"error": {"code": "not_payable", "message": "The order cannot be paid."}},
        )
        # Somebody who read the order before it was paid can't pay it either.
        with self.assertRaises(NotPayable):
            pay_order(stale)
        self.assertEqual(Payment.objects.count(), 1)

    def test_a_cancelled_order(self) -> None:
        cancel_order(self.order)
        self.assert_error(self.call("POST", self.path, user=self.alice), 409, "not_payable")
