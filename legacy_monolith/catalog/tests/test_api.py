"""The catalog routes of the API."""

import json
from datetime import UTC, datetime
from typing import Any

from catalog.models import Category
from shop.middleware import entity_tag
from shop.testing import ShopTestCase, make_product

PRODUCTS = "/api/catalog/products"


class ProductDetail(ShopTestCase):
    def setUp(self) -> None:
        self.product = make_product(
            "Café Lamp", description='It says "hi"', created_at=datetime(2026, 1, 5, 8, 0, 0, 999, tzinfo=UTC)
        )
        self.path = f"{PRODUCTS}/{self.product.pk}"

    def test_shows_the_product(self) -> None:
        response = self.call("GET", self.path)
        self.assert_json(
            response,
            200,
            {
                "id": self.product.pk,
                "sku": "THI-001",
                "name": "Café Lamp",
                "description": 'It says "hi"',
                "category": {"slug": "things", "name": "Things"},
                "price": "12.50",
                "currency": "EUR",
                "stock": 5,
                "in_stock": True,
                "created_at": "2026-01-05T08:00:00Z",
            },
        )
        self.assertEqual(response.headers["ETag"], entity_tag(response.content))
        self.assertEqual(
            set(response.headers),
            {
                "Content-Type", "Content-Length", "Cache-Control", "ETag", "X-Content-Type-Options",
                "Referrer-Policy", "Cross-Origin-Opener-Policy", "X-Frame-Options",
            },
        )  # fmt: skip
        self.assertEqual(response.headers["Cache-Control"], "no-cache")
        self.assertFalse(response.cookies)

    def test_bad_tokens_do_not_matter(self) -> None:
        self.assertEqual(self.call("GET", self.path, Authorization="Bearer nonsense").status_code, 200)

    def test_ids_that_name_nothing(self) -> None:
        for last in ("999", "0", "007", "abc", "1" * 18, "1" * 19, "1%0A", "-1", "1.0", "１", "1/"):
            with self.subTest(last):
                self.assert_json(
                    self.call("GET", f"{PRODUCTS}/{last}"),
                    404,
                    {"error": {"code": "not_found", "message": "No such resource."}},
                )

    def test_an_id_is_decoded_once(self) -> None:
        self.assertEqual(self.call("GET", f"{PRODUCTS}/%{ord(str(self.product.pk)[0]):x}"
                                   f"{str(self.product.pk)[1:]}").status_code, 200)  # fmt: skip

    def test_conditional(self) -> None:
        tag = self.call("GET", self.path).headers["ETag"]
        for condition in (tag, f"W/{tag}", f'"other", {tag}', "*", f"{tag},bad"):
            for method in ("GET", "HEAD"):
                with self.subTest(condition=condition, method=method):
                    response = self.call(method, self.path, If_None_Match=condition)
                    self.assertEqual((response.status_code, response.content), (304, b""))
                    self.assertEqual(response.headers["ETag"], tag)
                    self.assertEqual(response.headers["Cache-Control"], "no-cache")
                    self.assertEqual(response.headers["X-Content-Type-Options"], "nosniff")
                    self.assertNotIn("Content-Length", response.headers)
                    self.assertNotIn("Content-Type", response.headers)
        for condition in ('"other"', tag.strip('"'), "", 'w/"x"'):
            with self.subTest(condition=condition):
                self.assertEqual(self.call("GET", self.path, If_None_Match=condition).status_code, 200)

    def test_another_stock_is_another_tag(self) -> None:
        tag = self.call("GET", self.path).headers["ETag"]
        self.product.stock = 0
        self.product.save()
        response = self.call("GET", self.path, If_None_Match=tag)
        self.assertEqual(response.status_code, 200)
        self.assertIs(json.loads(response.content)["in_stock"], False)

    def test_other_preconditions_are_ignored(self) -> None:
        response = self.call("GET", self.path, If_Match='"x"', Range="bytes=0-1",
                             If_Modified_Since="Fri, 01 Jan 2100 00:00:00 GMT")  # fmt: skip
        self.assertEqual(response.status_code, 200)

    def test_head_has_the_length_of_get(self) -> None:
        get, head = self.call("GET", self.path), self.call("HEAD", self.path)
        self.assertEqual(head.content, b"")
        self.assertEqual(dict(head.headers), dict(get.headers))

    def test_other_methods(self) -> None:
        for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"):
            with self.subTest(method):
                response = self.call(method, self.path, {})
                self.assert_error(response, 405, "method_not_allowed")
                self.assertEqual(response.headers["Allow"], "GET, HEAD")


class ProductList(ShopTestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        books = Category.objects.create(slug="books", name="Books")
        make_product("Éclair", price_cents=300, stock=0)
        make_product("apple", price_cents=200, description="100% fruit_y")
        make_product("Book", price_cents=1999, category=books)
        make_product("Zebra", price_cents=200)

    def names(self, query: str = "") -> list[str]:
        return [product["name"] for product in self.listed(query)["results"]]

    def listed(self, query: str = "") -> Any:
        response = self.call("GET", PRODUCTS + query)
        self.assertEqual(response.status_code, 200, response.content)
        return json.loads(response.content)

    def test_the_envelope(self) -> None:
        listed = self.listed()
        self.assertEqual(list(listed), ["count", "page", "page_size", "pages", "next", "previous", "results"])
        self.assertEqual([listed[key] for key in list(listed)[:6]], [4, 1, 20, 1, None, None])

    def test_filters(self) -> None:
        for query, names in {
            "": ["Éclair", "apple", "Book", "Zebra"],
            "?category=books": ["Book"],
            "?category=Books": [],
            "?category=": ["Éclair", "apple", "Book", "Zebra"],
            "?q=APP": ["apple"],
            "?q=%20%20book%20": ["Book"],
            "?q=%C3%89C": ["Éclair"],
            "?q=%C3%A9c": [],  # é is not É: only ASCII folds
            "?q=%25": ["apple"],
            "?q=t_y": ["apple"],
            "?q=f_u": [],
            "?q=%5C": [],
            "?q=FRUIT": ["apple"],
            "?min_price=3": ["Éclair", "Book"],
            "?max_price=2.0": ["apple", "Zebra"],
            "?min_price=2.01&max_price=19.98": ["Éclair"],
            "?min_price=5&max_price=1": [],
            "?in_stock=true": ["apple", "Book", "Zebra"],
            "?in_stock=false": ["Éclair"],
            "?in_stock=nonsense&in_stock=false": ["Éclair"],
            "?unknown=1&page=": ["Éclair", "apple", "Book", "Zebra"],
            "?ordering=name": ["Book", "Zebra", "apple", "Éclair"],
            "?ordering=-name": ["Éclair", "apple", "Zebra", "Book"],
            "?ordering=price": ["apple", "Zebra", "Éclair", "Book"],
            "?ordering=-price": ["Book", "Éclair", "apple", "Zebra"],
            "?ordering=-id": ["Zebra", "Book", "apple", "Éclair"],
            "?ordering=-created_at": ["Zebra", "Book", "apple", "Éclair"],
        }.items():
            with self.subTest(query):
                self.assertEqual(self.names(query), names)

    def test_pages_and_links(self) -> None:
        first = self.listed("?page_size=2&x=y&q=%20e&category=things&ordering=")
        self.assertEqual(first["count"], 2)
        self.assertEqual((first["pages"], first["next"], first["previous"]), (1, None, None))
        query = "?page_size=1&q=e%26%C3%A9&ordering=name"
        make_product("e&é 1"), make_product("e&é 2"), make_product("e&é 3")
        link = "/api/catalog/products?q=e%26%C3%A9&ordering=name&page={}&page_size=1"
        self.assertEqual(
            [(page["next"], page["previous"]) for page in (
                self.listed(query), self.listed(query + "&page=2"), self.listed(query + "&page=3"),
                self.listed(query + "&page=4"), self.listed(query + "&page=99"),
            )],
            [(link.format(2), None), (link.format(3), link.format(1)), (None, link.format(2)),
             (None, link.format(3)), (None, link.format(3))],
        )  # fmt: skip
        self.assertEqual(self.listed("?page=9")["next"], None)
        self.assertEqual(self.listed("?page=9")["previous"], "/api/catalog/products?page=1")
        self.assertEqual(self.listed("?q=nowhere")["pages"], 0)
        self.assertEqual(self.listed("?page_size=4")["next"], "/api/catalog/products?page=2&page_size=4")

    def test_every_invalid_parameter_is_named_in_order(self) -> None:
        amount = "must be an amount such as 12.50"
        number = "must be a whole number from 1 to "
        response = self.call(
            "GET",
            PRODUCTS + "?page_size=101&page=0&ordering=sku&in_stock=True&max_price=1e3&min_price=-1&q=%00",
        )
        self.assert_json(
            response,
            400,
            {
                "error": {
                    "code": "invalid",
                    "message": "Some values are invalid.",
                    "fields": {
                        "q": "must be at most 100 characters without control characters",
                        "min_price": amount,
                        "max_price": amount,
                        "in_stock": "must be true or false",
                        "ordering": "must be one of id, -id, name, -name, price, -price, "
                        "created_at, -created_at",
                        "page": number + "999999",
                        "page_size": number + "100",
                    },
                }
            },
        )

    def test_values_that_are_almost_right(self) -> None:
        for query, field in {
            "?q=" + "x" * 101: "q",
            "?min_price=1.234": "min_price",
            "?min_price=123456789": "min_price",
            "?min_price=1.": "min_price",
            "?min_price=%D9%A1": "min_price",
            "?max_price=1%0A": "max_price",
            "?max_price=%201": "max_price",
            "?page=01": "page",
            "?page=1000000": "page",
            "?page=%2B1": "page",
            "?page=1%0A": "page",
            "?page_size=0": "page_size",
            "?page_size=200": "page_size",
            "?ordering=name,id": "ordering",
        }.items():
            with self.subTest(query):
                response = self.call("GET", PRODUCTS + query)
                self.assertEqual(response.status_code, 400)
                self.assertEqual(list(json.loads(response.content)["error"]["fields"]), [field])

    def test_a_list_is_tagged_too(self) -> None:
        response = self.call("GET", PRODUCTS)
        again = self.call("GET", PRODUCTS, If_None_Match=response.headers["ETag"])
        self.assertEqual((again.status_code, again.content), (304, b""))

    def test_unknown_paths_never_redirect(self) -> None:
        for path in ("/api", "/api/", "/api/catalog", PRODUCTS + "/", "/api/Catalog/products", "/api/x/y"):
            for method in ("GET", "POST", "DELETE"):
                with self.subTest(path=path, method=method):
                    self.assert_error(self.call(method, path), 404, "not_found")

    def test_a_query_is_utf8_whatever_the_type_of_the_body(self) -> None:
        make_product("Café Lamp")
        for charset in ("latin-1", "utf-16"):
            response: Any = self.client.get(
                f"{PRODUCTS}?q=%C3%A9", headers={"Content-Type": f"text/plain; charset={charset}"}
            )
            self.assertEqual(json.loads(response.content)["count"], 1)

    def test_a_query_may_have_any_number_of_fields(self) -> None:
        response = self.call("GET", f"{PRODUCTS}?{'x=1&' * 6000}page=7")
        self.assertEqual(json.loads(response.content)["page"], 7)
