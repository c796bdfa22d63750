"""How a route is named: as Django writes it, in the default language where the path has a language prefix."""

from __future__ import annotations

from django.http import HttpRequest


def route_of(request: HttpRequest) -> str:
    """The route that the request's path matched, empty where none did."""
    match = request.resolver_match
    return "" if match is None else match.route
