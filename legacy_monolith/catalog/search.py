"""Finding products: what the API's parameters and the home page's form both mean."""

from django.db.models import Q, QuerySet

from catalog.models import Product

ORDERINGS = {
    sign + name: (sign + column, "id")
    for name, column in (
        ("id", "id"),
        ("name", "name"),
        ("price", "price_cents"),
        ("created_at", "created_at"),
    )
    for sign in ("", "-")
}


def find_products(
    *,
    category: str | None = None,
    text: str | None = None,
    min_cents: int | None = None,
    max_cents: int | None = None,
    in_stock: bool | None = None,
    ordering: str = "id",
) -> "QuerySet[Product]":
    """The products that meet every condition that is not None; ties of `ordering` by id."""
    products = Product.objects.select_related("category").order_by(*ORDERINGS[ordering])
    if category is not None:
        products = products.filter(category__slug=category)
    if text is not None:
        products = products.filter(Q(name__icontains=text) | Q(description__icontains=text))
    if min_cents is not None:
        products = products.filter(price_cents__gte=min_cents)
    if max_cents is not None:
        products = products.filter(price_cents__lte=max_cents)
    if in_stock is not None:
        products = products.filter(stock__gt=0) if in_stock else products.filter(stock=0)
    return products
