"""The catalog routes of the API. They need no token."""

from typing import Any

from django.http import HttpRequest, HttpResponse

from catalog.models import Product
from catalog.search import ORDERINGS, find_products
from shop.api.pagination import Page
from shop.api.requests import Query, is_clean
from shop.api.responses import ApiError, cacheable_json_response, timestamp
from shop.money import CURRENCY, amount_cents

PATH = "/api/catalog/products"
MAX_TEXT = 100


def represent(product: Product) -> dict[str, Any]:
    """A product as the API shows one."""
    return {
        "id": product.pk,
        "sku": product.sku,
        "name": product.name,
        "description": product.description,
        "category": {"slug": product.category.slug, "name": product.category.name},
        "price": product.price,
        "currency": CURRENCY,
        "stock": product.stock,
        "in_stock": product.stock > 0,
        "created_at": timestamp(product.created_at),
    }


def list_products(request: HttpRequest) -> HttpResponse:
    """A page of the products that the parameters ask for."""
    # Read in this order: errors and links keep it.
    query = Query(request)
    category = query.text("category")
    text = query.text("q", trim=True)
    if text is not None and (len(text) > MAX_TEXT or not is_clean(text)):
        query.refuse("q", f"must be at most {MAX_TEXT} characters without control characters")
    min_cents = _amount(query, "min_price")
    max_cents = _amount(query, "max_price")
    in_stock = query.text("in_stock")
    if in_stock not in (None, "true", "false"):
        query.refuse("in_stock", "must be true or false")
    ordering = query.text("ordering") or "id"
    if ordering not in ORDERINGS:
        query.refuse("ordering", f"must be one of {', '.join(ORDERINGS)}")
    page = Page(PATH, query)
    query.check()
    products = find_products(
        category=category,
        text=text,
        min_cents=min_cents,
        max_cents=max_cents,
        in_stock=None if in_stock is None else in_stock == "true",
        ordering=ordering,
    )
    return cacheable_json_response(page.of(products, represent))


def _amount(query: Query, name: str) -> int | None:
    value = query.text(name)
    if value is None:
        return None
    cents = amount_cents(value)
    if cents is None:
        query.refuse(name, "must be an amount such as 12.50")
    return cents


def show_product(request: HttpRequest, id: int) -> HttpResponse:
    """One product."""
    product = Product.objects.select_related("category").filter(pk=id).first()
    if product is None:
        raise ApiError("not_found")
    return cacheable_json_response(represent(product))
