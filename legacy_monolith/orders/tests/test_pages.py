"""Buying through the pages."""

from django.test import Client

from accounts.tests.test_pages import csrf_token
from catalog.models import Product
from orders.models import Order
from shop.testing import ShopTestCase, make_product, make_user


class Buying(ShopTestCase):
    def setUp(self) -> None:
        self.alice = make_user("alice")
        self.lamp = make_product(stock=3)

    def test_from_product_to_payment(self) -> None:
        browser = Client(enforce_csrf_checks=True)
        token = csrf_token(browser.get(f"/products/{self.lamp.pk}/").content.decode())

        def post(path: str, **fields: object) -> str:
            page = browser.post(path, {**fields, "csrfmiddlewaretoken": token}, follow=True)
            self.assertEqual(page.status_code, 200)
            return str(page.content.decode())

        cart = post("/cart/add/", product=self.lamp.pk, quantity=2)
        self.assertIn("Lamp is in your cart.", cart)
        self.assertIn("€ 25.00", cart)
        self.assertIn("/login/?next=/cart/", cart)

        token = csrf_token(browser.get("/login/").content.decode())
        cart = post("/login/", username="alice", password="alice-password", next="/cart/")
        self.assertIn("Order now", cart)
        token = csrf_token(cart)

        order = post("/checkout/")
        self.assertIn("Thank you for your order.", order)
        self.assertEqual(Product.objects.get().stock, 1)
        placed = Order.objects.get()
        self.assertEqual((placed.user, placed.status, placed.total), (self.alice, "pending", "25.00"))
        self.assertContains(browser.get("/cart/"), "Your cart is empty")

        self.assertIn("Your order is paid.", post(f"/orders/{placed.pk}/pay/"))
        self.assertIn("This order can&#x27;t be paid.", post(f"/orders/{placed.pk}/pay/"))
        self.assertContains(browser.get("/account/"), "Paid")

    def test_every_form_needs_its_csrf_token(self) -> None:
        browser = Client(enforce_csrf_checks=True)
        browser.force_login(self.alice)
        for path in ("/cart/add/", "/cart/update/", "/checkout/", "/orders/1/pay/", "/account/"):
            with self.subTest(path), self.assertLogs("django.security.csrf"):
                self.assertEqual(browser.post(path, {"product": self.lamp.pk}).status_code, 403)

    def test_a_cart_may_hold_more_than_there_is_but_not_order_it(self) -> None:
        self.client.force_login(self.alice)
        self.client.post("/cart/add/", {"product": self.lamp.pk, "quantity": 4})
        page = self.client.post("/checkout/", follow=True)
        self.assertContains(page, "Lamp: only 3 left.")
        self.assertEqual(Product.objects.get().stock, 3)
        self.client.post("/cart/update/", {"product": self.lamp.pk, "quantity": 3})
        self.assertContains(self.client.post("/checkout/", follow=True), "Thank you")
        self.assertEqual(Product.objects.get().stock, 0)

    def test_carts_with_odd_contents(self) -> None:
        self.client.force_login(self.alice)
        self.assertContains(self.client.post("/checkout/", follow=True), "Your cart is empty.")
        for product in ("999", "x", "", "9" * 30):
            self.assertEqual(self.client.post("/cart/add/", {"product": product}).status_code, 404)
        self.client.post("/cart/add/", {"product": self.lamp.pk, "quantity": "-5"})
        self.client.post("/cart/update/", {"product": 999, "quantity": 1})
        self.assertContains(self.client.post("/checkout/", follow=True), "not sold any more")
        self.assertContains(self.client.get("/cart/"), 'value="1" min="0"')
        self.client.post("/cart/update/", {"product": self.lamp.pk, "quantity": 0})
        self.assertContains(self.client.get("/cart/"), "Your cart is empty")

    def test_checking_out_asks_for_a_login(self) -> None:
        page = self.client.post("/checkout/")
        self.assertEqual(page.headers["Location"], "http://testserver/login/?next=/checkout/")

    def test_others_orders_do_not_exist(self) -> None:
        order = Order.objects.create(user=make_user("bob"), total_cents=1)
        self.client.force_login(self.alice)
        self.assertEqual(self.client.get(f"/orders/{order.pk}/").status_code, 404)
        self.assertEqual(self.client.post(f"/orders/{order.pk}/pay/").status_code, 404)
        self.assertEqual(self.client.get(f"/orders/{10**30}/").status_code, 404)

    def test_the_admin_cancels_and_restocks(self) -> None:
        self.client.force_login(make_user("admin", is_staff=True, is_superuser=True))
        self.client.post("/cart/add/", {"product": self.lamp.pk})
        self.client.post("/checkout/")
        order = Order.objects.get()
        self.client.post("/admin/orders/order/", {"action": "cancel", "_selected_action": [order.pk]})
        order.refresh_from_db()
        self.assertEqual((order.status, Product.objects.get().stock), ("cancelled", 3))
        self.assertEqual(self.client.get(f"/admin/orders/order/{order.pk}/change/").status_code, 200)
