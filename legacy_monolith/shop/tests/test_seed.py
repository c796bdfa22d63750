"""The sample shop."""

from io import StringIO

from django.core.management import CommandError, call_command
from django.db.models import F

from accounts.models import User
from catalog.models import Category, Product
from orders.models import Order, OrderItem
from payments.models import Payment
from shop.testing import ShopTestCase


class Seed(ShopTestCase):
    def seed(self) -> list[list[tuple[object, ...]]]:
        call_command("seed", stdout=StringIO())
        return [list(model.objects.order_by("pk").values_list())
                for model in (User, Category, Product, Order, OrderItem, Payment)]  # fmt: skip

    def test_again_is_the_same_and_adds_nothing(self) -> None:
        first = self.seed()
        self.assertEqual([len(rows) for rows in first[:4]], [20, 8, 120, 100])
        self.assertEqual(self.seed(), first)
        Payment.objects.all().delete()
        OrderItem.objects.all().delete()
        for model in (Order, Product, Category, User):
            model.objects.all().delete()
        again = self.seed()
        self.assertEqual(again[:4], first[:4])

    def test_only_in_development(self) -> None:
        with self.settings(DEVELOPMENT=False), self.assertRaisesMessage(CommandError, "SHOP_DEVELOPMENT=1"):
            call_command("seed")
        self.assertEqual(User.objects.count(), 0)

    def test_what_changed_stays_changed(self) -> None:
        self.seed()
        Product.objects.update(stock=F("stock") + 1)
        User.objects.filter(pk=1).update(full_name="Somebody")
        before = list(Product.objects.values_list("stock", flat=True))
        self.seed()
        self.assertEqual(list(Product.objects.values_list("stock", flat=True)), before)
        self.assertEqual(User.objects.get(pk=1).full_name, "Somebody")

    def test_the_sample_makes_sense(self) -> None:
        self.seed()
        for order in Order.objects.prefetch_related("items"):
            total = sum(item.unit_price_cents * item.quantity for item in order.items.all())
            self.assertEqual(order.total_cents, total)
            self.assertEqual(hasattr(order, "payment"), order.status == "paid")
        self.assertTrue(0 < Product.objects.filter(stock=0).count() < 20)
        self.assertGreater(Product.objects.filter(name__contains="é").count(), 0)
        for name, scope in (("alice", "profile orders"), ("admin", "profile orders users:read")):
            response = self.call("POST", "/api/auth/token", {"name": name, "password": f"{name}-password"})
            self.assertContains(response, f'"scope":"{scope}"')
        response = self.call("POST", "/api/auth/token", {"name": "dave", "password": "dave-password"})
        self.assertEqual(response.status_code, 401)
