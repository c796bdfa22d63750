"""Pages of the catalog."""

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from catalog.models import Category, Product
from catalog.search import find_products
from shop.api.requests import is_clean

PAGE_SIZE = 24


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The products, by category and search text. What makes no sense is ignored, as on any shop's page."""
    category = request.GET.get("category") or None
    text = request.GET.get("q", "").strip()[:100]
    if not is_clean(text):
        text = ""
    products = find_products(category=category, text=text or None)
    page = Paginator(products, PAGE_SIZE).get_page(request.GET.get("page"))
    return render(
        request,
        "catalog/home.html",
        {"categories": Category.objects.all(), "category": category, "text": text, "page": page},
    )


@require_safe
def product(request: HttpRequest, product_id: int) -> HttpResponse:
    """One product, with the button that puts it into the cart."""
    if product_id >= 2**63:  # more than the database can compare
        product_id = 0
    found = get_object_or_404(Product.objects.select_related("category"), pk=product_id)
    return render(request, "catalog/product.html", {"product": found})
