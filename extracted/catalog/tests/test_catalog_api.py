"""The routes, as API.md has them."""

import hashlib
import json
from urllib.parse import quote

import httpx
import pytest

pytestmark = pytest.mark.anyio

LIST = "/api/catalog/products"

ATLAS = {
    "id": 1,
    "sku": "SKU-1",
    "name": "Atlas",
    "description": "Maps, 100% of them",
    "category": {"slug": "books", "name": "Books"},
    "price": "12.50",
    "currency": "EUR",
    "stock": 17,
    "in_stock": True,
    "created_at": "2026-01-05T08:00:00Z",
}

SECURITY = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "x-frame-options": "DENY",
}


async def ids(client: httpx.AsyncClient, query: str) -> list[int]:
    response = await client.get(f"{LIST}?{query}")
    assert response.status_code == 200
    return [product["id"] for product in response.json()["results"]]


async def fields(client: httpx.AsyncClient, query: str) -> object:
    response = await client.get(f"{LIST}?{query}")
    assert response.status_code == 400
    assert response.headers["cache-control"] == "no-store"
    assert "etag" not in response.headers
    error = response.json()["error"]
    assert (error["code"], error["message"]) == ("invalid", "Some values are invalid.")
    return error["fields"]


class TestProduct:
    async def test_shown_to_the_byte(self, client: httpx.AsyncClient) -> None:
        response = await client.get(f"{LIST}/1", headers={"Authorization": "Bearer nonsense"})
        body = json.dumps(ATLAS, ensure_ascii=False, separators=(",", ":")).encode()
        assert (response.status_code, response.content) == (200, body)
        assert dict(response.headers) == SECURITY | {
            "content-type": "application/json",
            "content-length": str(len(body)),
            "cache-control": "no-cache",
            "etag": f'"{hashlib.sha256(body).hexdigest()[:32]}"',
        }

    async def test_money_and_letters(self, client: httpx.AsyncClient) -> None:
        content = (await client.get(f"{LIST}/4")).content.decode()
        assert '"price":"0.05"' in content
        assert '"name":"Garden & Ümgebung"' in content
        assert (await client.get(f"{LIST}/5")).json()["price"] == "99999999.99"
        sold_out = (await client.get(f"{LIST}/2")).json()
        assert (sold_out["stock"], sold_out["in_stock"]) == (0, False)

    @pytest.mark.parametrize(
        "path",
        [
            f"{LIST}/8",
            f"{LIST}/999999999999999999",
            f"{LIST}/1234567890123456789",
            f"{LIST}/0",
            f"{LIST}/01",
            f"{LIST}/-1",
            f"{LIST}/abc",
            f"{LIST}/1/",
            f"{LIST}/1%0a",
            f"{LIST}%0a",
            f"{LIST}/%D9%A1",
            f"{LIST}/",
            "/api/catalog",
            "/API/catalog/products",
            "/",
        ],
    )
    async def test_unknown_paths(self, client: httpx.AsyncClient, path: str) -> None:
        response = await client.get(path, headers={"If-None-Match": "*"})
        assert response.status_code == 404
        assert response.json() == {"error": {"code": "not_found", "message": "No such resource."}}
        assert response.headers["cache-control"] == "no-store"

    async def test_path_is_matched_decoded(self, client: httpx.AsyncClient) -> None:
        assert (await client.get("/api/catalog%2Fproducts/%31")).json() == ATLAS

    @pytest.mark.parametrize("path", [LIST, f"{LIST}/1", f"{LIST}/8"])
    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
    async def test_other_methods(self, client: httpx.AsyncClient, method: str, path: str) -> None:
        response = await client.request(method, path)
        assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD")
        assert response.json()["error"]["code"] == "method_not_allowed"


class TestConditions:
    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    @pytest.mark.parametrize("path", [LIST, f"{LIST}/1", f"{LIST}?page=99"])
    @pytest.mark.parametrize("form", ["{}", "W/{}", '"x", {}', "x,,{} ,y", "*", " * "])
    async def test_not_modified(self, client: httpx.AsyncClient, form: str, path: str, method: str) -> None:
        tag = (await client.get(path)).headers["etag"]
        response = await client.request(method, path, headers={"If-None-Match": form.format(tag)})
        assert (response.status_code, response.content) == (304, b"")
        assert dict(response.headers) == SECURITY | {"etag": tag, "cache-control": "no-cache"}

    @pytest.mark.parametrize("form", ["{0}x", "w/{0}", '"x"', '*, "x"', "", "{1}", "W/ {0}"])
    async def test_modified(self, client: httpx.AsyncClient, form: str) -> None:
        tag = (await client.get(LIST)).headers["etag"]
        headers = {
            "If-None-Match": form.format(tag, tag.strip('"')),
            "If-Match": '"no"',
            "Range": "bytes=0-1",
        }
        assert (await client.get(LIST, headers=headers)).status_code == 200

    async def test_header_in_two_lines(self, client: httpx.AsyncClient) -> None:
        tag = (await client.get(LIST)).headers["etag"]
        headers = [("If-None-Match", '"x"'), ("If-None-Match", tag)]
        assert (await client.get(LIST, headers=headers)).status_code == 304

    async def test_head_has_the_headers_of_get_and_no_body(self, client: httpx.AsyncClient) -> None:
        for path in (LIST, f"{LIST}/1", f"{LIST}/8", f"{LIST}?page=0"):
            get, head = await client.get(path), await client.head(path)
            assert (head.status_code, head.headers, head.content) == (get.status_code, get.headers, b"")


class TestFilters:
    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("", [1, 2, 3, 4, 5, 6, 7]),
            ("category=books", [1, 2, 3]),
            ("category=Books", []),
            ("category=empty", []),
            ("category=%00", []),
            ("category=%FF", []),
            ("category=", [1, 2, 3, 4, 5, 6, 7]),
            ("category=books&category=garden", [4, 5, 6, 7]),
            ("category=books&category=", [1, 2, 3, 4, 5, 6, 7]),
            ("category=+books", []),
            ("q=atlas", [1, 3]),
            ("q=ATLAS", [1, 3]),
            ("q=map", [1, 5]),
            ("q=%20%0AMap%1F+", [1, 5]),
            ("q=++", [1, 2, 3, 4, 5, 6, 7]),
            ("q=%25", [1]),
            ("q=_", [3]),
            ("q=%5C", [4]),
            (f"q={quote('Ä')}", [2]),
            (f"q={quote('ä')}", []),
            (f"q={quote('über')}", []),
            (f"q={quote('ÜBER'[0])}ber", [2]),
            (f"q={'x' * 100}", []),
            ("in_stock=true", [1, 3, 4, 5, 6, 7]),
            ("in_stock=false", [2]),
            ("min_price=12.5", [1, 3, 5]),
            ("min_price=12.51", [5]),
            ("min_price=99999999.99", [5]),
            ("max_price=0.05", [4]),
            ("max_price=00000000", []),
            ("min_price=9&max_price=12.50", [1, 2, 3]),
            ("min_price=10&max_price=9", []),
            ("category=books&q=l&in_stock=true&ordering=-id", [3, 1]),
            ("Category=books&unknown=1&page%00=2", [1, 2, 3, 4, 5, 6, 7]),
        ],
    )
    async def test_find(self, client: httpx.AsyncClient, query: str, found: list[int]) -> None:
        assert await ids(client, query) == found

    @pytest.mark.parametrize(
        ("ordering", "found"),
        [
            ("id", [1, 2, 3, 4, 5, 6, 7]),
            ("-id", [7, 6, 5, 4, 3, 2, 1]),
            ("name", [1, 5, 4, 3, 2, 7, 6]),
            ("-name", [6, 7, 2, 3, 4, 5, 1]),
            ("price", [4, 6, 7, 2, 1, 3, 5]),
            ("-price", [5, 1, 3, 2, 6, 7, 4]),
            ("created_at", [3, 2, 1, 4, 5, 6, 7]),
            ("-created_at", [7, 6, 5, 4, 1, 2, 3]),
        ],
    )
    async def test_ordering(self, client: httpx.AsyncClient, ordering: str, found: list[int]) -> None:
        assert await ids(client, f"ordering={ordering}") == found

    @pytest.mark.parametrize(
        ("query", "field", "problem"),
        [
            ("q=" + "x" * 101, "q", "must be at most 100 characters without control characters"),
            ("q=a%00b", "q", "must be at most 100 characters without control characters"),
            ("q=a%7Fb", "q", "must be at most 100 characters without control characters"),
            ("min_price=-1", "min_price", "must be an amount such as 12.50"),
            ("min_price=1.", "min_price", "must be an amount such as 12.50"),
            ("min_price=1.234", "min_price", "must be an amount such as 12.50"),
            ("min_price=123456789", "min_price", "must be an amount such as 12.50"),
            ("max_price=%D9%A1", "max_price", "must be an amount such as 12.50"),
            ("max_price=1%0A", "max_price", "must be an amount such as 12.50"),
            ("max_price=+1", "max_price", "must be an amount such as 12.50"),
            ("in_stock=True", "in_stock", "must be true or false"),
            ("in_stock=1", "in_stock", "must be true or false"),
            ("page=0", "page", "must be a whole number from 1 to 999999"),
            ("page=01", "page", "must be a whole number from 1 to 999999"),
            ("page=1000000", "page", "must be a whole number from 1 to 999999"),
            ("page=1%0a", "page", "must be a whole number from 1 to 999999"),
            ("page_size=101", "page_size", "must be a whole number from 1 to 100"),
            ("page_size=x", "page_size", "must be a whole number from 1 to 100"),
        ],
    )
    async def test_refuse(self, client: httpx.AsyncClient, query: str, field: str, problem: str) -> None:
        assert await fields(client, query) == {field: problem}

    async def test_name_every_problem_in_order(self, client: httpx.AsyncClient) -> None:
        query = "page_size=0&page=0&ordering=x&in_stock=x&max_price=x&min_price=x&q=%00a%00"
        found = await fields(client, query + "&category=%00")
        assert isinstance(found, dict)
        assert list(found) == ["q", "min_price", "max_price", "in_stock", "ordering", "page", "page_size"]
        orderings = "id, -id, name, -name, price, -price, created_at, -created_at"
        assert found["ordering"] == f"must be one of {orderings}"


class TestPages:
    async def page(self, client: httpx.AsyncClient, query: str) -> tuple[object, ...]:
        response = (await client.get(f"{LIST}?{query}")).json()
        assert list(response) == ["count", "page", "page_size", "pages", "next", "previous", "results"]
        return tuple(response.values())[:-1]

    async def test_the_only_one(self, client: httpx.AsyncClient) -> None:
        assert await self.page(client, "") == (7, 1, 20, 1, None, None)
        assert await self.page(client, "page_size=7") == (7, 1, 7, 1, None, None)

    async def test_first_middle_last(self, client: httpx.AsyncClient) -> None:
        link = f"{LIST}?page={{}}&page_size=3".format
        assert await self.page(client, "page_size=3") == (7, 1, 3, 3, link(2), None)
        assert await self.page(client, "page_size=3&page=2") == (7, 2, 3, 3, link(3), link(1))
        assert await self.page(client, "page_size=3&page=3") == (7, 3, 3, 3, None, link(2))
        assert await ids(client, "page_size=3&page=3") == [7]

    async def test_past_the_end(self, client: httpx.AsyncClient) -> None:
        link = f"{LIST}?page={{}}".format
        assert await self.page(client, "page=2") == (7, 2, 20, 1, None, link(1))
        assert await self.page(client, "page=999999") == (7, 999999, 20, 1, None, link(1))
        assert await ids(client, "page=999999") == []
        empty = f"{LIST}?category=empty&page=1"
        assert await self.page(client, "category=empty&page=5") == (0, 5, 20, 0, None, empty)

    async def test_links_keep_what_was_given_in_the_tables_order(self, client: httpx.AsyncClient) -> None:
        query = "page_size=1&x=1&in_stock=true&max_price=&q=+A%26%C3%9C+&q=%20a%20&min_price=0&category=books"
        _, _, _, _, after, before = await self.page(client, query + "&page=1")
        assert before is None
        assert after == f"{LIST}?category=books&q=a&min_price=0&in_stock=true&page=2&page_size=1"

    async def test_links_are_encoded(self, client: httpx.AsyncClient) -> None:
        _, _, _, _, _, before = await self.page(client, "q=a%26+%C3%9C/%FF&page=2")
        assert before == f"{LIST}?q=a%26+%C3%9C%2F%EF%BF%BD&page=1"
