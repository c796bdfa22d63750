"""Pages for what is missing or broken; JSON on the API."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from shop.api.responses import ApiError


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The page for an unknown path or thing."""
    return render(request, "shop/not_found.html", status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    """The answer where the shop itself failed: it must need neither database nor session."""
    if request.path.startswith("/api/"):
        return ApiError("internal_error").response()
    return HttpResponse(
        "<!doctype html><title>Something went wrong</title><h1>Something went wrong</h1>", status=500
    )
