"""Taking stock: never more than there is."""

import threading

from django.db import IntegrityError, connection, transaction
from django.test import TransactionTestCase, override_settings

from catalog.models import Product
from orders.models import Order, OrderItem
from orders.placing import OutOfStock, UnknownProduct, cancel_order, place_order
from shop.testing import ShopTestCase, make_product, make_user


class Placing(ShopTestCase):
    def setUp(self) -> None:
        self.alice = make_user("alice")
        self.lamp = make_product(stock=3)
        self.mug = make_product("Mug", stock=1, price_cents=999)

    def stocks(self) -> list[int]:
        return list(Product.objects.order_by("pk").values_list("stock", flat=True))

    def test_takes_stock_and_keeps_prices(self) -> None:
        order = place_order(self.alice, {self.mug.pk: 1, self.lamp.pk: 2})
        self.assertEqual(self.stocks(), [1, 0])
        self.assertEqual(order.total, "34.99")
        Product.objects.update(price_cents=1, name="new")
        self.assertEqual(
            [(item.name, item.quantity, item.line_total) for item in order.items.all()],
            [("Mug", 1, "9.99"), ("Lamp", 2, "25.00")],
        )

    def test_too_much_of_one_takes_nothing_of_any(self) -> None:
        with self.assertRaises(OutOfStock) as caught:
            place_order(self.alice, {self.mug.pk: 9, self.lamp.pk: 4})
        self.assertEqual(list(caught.exception.left.items()), [(self.mug.pk, 1), (self.lamp.pk, 3)])
        with self.assertRaises(UnknownProduct):
            place_order(self.alice, {self.lamp.pk: 1, 999: 1})
        self.assertEqual(self.stocks(), [3, 1])
        self.assertEqual(Order.objects.count(), 0)

    def test_cancelling_returns_the_stock_once(self) -> None:
        order = place_order(self.alice, {self.lamp.pk: 2})
        self.assertTrue(cancel_order(order))
        self.assertFalse(cancel_order(order))
        self.assertEqual(self.stocks(), [3, 1])
        self.assertEqual(order.status, "cancelled")

    def test_the_database_refuses_a_negative_stock(self) -> None:
        with self.assertRaises(IntegrityError), transaction.atomic():
            Product.objects.filter(pk=self.lamp.pk).update(stock=-1)


@override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"])
class Overselling(TransactionTestCase):
    BUYERS = 8
    STOCK = 5

    def test_many_buyers_of_the_last_things(self) -> None:
        alice, lamp = make_user("alice"), make_product(stock=self.STOCK)
        start = threading.Barrier(self.BUYERS)
        outcomes: list[str] = []

        def buy() -> None:
            try:
                start.wait(timeout=20)
                place_order(alice, {lamp.pk: 1})
                outcomes.append("bought")
            except OutOfStock:
                outcomes.append("sold out")
            finally:
                connection.close()

        buyers = [threading.Thread(target=buy) for _ in range(self.BUYERS)]
        for buyer in buyers:
            buyer.start()
        for buyer in buyers:
            buyer.join(timeout=60)
        self.assertEqual(sorted(outcomes), ["bought"] * 5 + ["sold out"] * 3)
        lamp.refresh_from_db()
        self.assertEqual(lamp.stock, 0)
        self.assertEqual(OrderItem.objects.count(), self.STOCK)
