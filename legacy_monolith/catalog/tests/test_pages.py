"""The pages of the catalog."""

from django.test import TestCase

from catalog.models import Category
from shop.testing import make_product


class Pages(TestCase):
    def test_home_lists_products_of_the_category(self) -> None:
        make_product("Lamp <1>")
        make_product("Atlas", category=Category.objects.create(slug="books", name="Books"))
        self.assertContains(self.client.get("/"), "Lamp &lt;1&gt;")
        page = self.client.get("/?category=books&page=nonsense&q=")
        self.assertContains(page, "Atlas")
        self.assertNotContains(page, "Lamp")
        self.assertContains(self.client.get("/?q=%00nothing"), "Lamp")
        self.assertContains(self.client.get("/?q=nowhere"), "Nothing found")

    def test_home_is_paged(self) -> None:
        for number in range(25):
            make_product(f"Thing {number}")
        self.assertContains(self.client.get("/?q=thing"), '?page=2&amp;q=thing"')
        self.assertContains(self.client.get("/?page=2"), "Thing 24")

    def test_a_page_is_tagged_and_revalidated(self) -> None:
        page = self.client.get("/")
        self.assertEqual(page.headers["Vary"], "Cookie")
        again = self.client.get("/", headers={"If-None-Match": page.headers["ETag"]})
        self.assertEqual((again.status_code, again.content), (304, b""))
        self.assertEqual(again.headers["Vary"], "Cookie")

    def test_product_page(self) -> None:
        product, gone = make_product(), make_product("Sold", stock=0)
        self.assertContains(self.client.get(f"/products/{product.pk}/"), "Add to cart")
        self.assertNotContains(self.client.get(f"/products/{gone.pk}/"), "Add to cart")

    def test_missing_things_have_a_page(self) -> None:
        for path in ("/products/999/", f"/products/{10**30}/", "/nope/"):
            with self.subTest(path):
                self.assertContains(self.client.get(path), "<h1>Not found</h1>", status_code=404)

    def test_a_missing_slash_redirects_to_the_whole_url(self) -> None:
        page = self.client.get("/products/1?a=b")
        self.assertEqual(page.status_code, 301)
        self.assertEqual(page.headers["Location"], "http://testserver/products/1/?a=b")

    def test_writing_to_a_page_is_refused(self) -> None:
        self.assertEqual(self.client.post("/").status_code, 405)
