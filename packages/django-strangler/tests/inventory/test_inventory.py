"""The project's routes as `manage.py strangler_inventory` writes them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client, override_settings
from django.urls import resolve
from django.utils import translation

from tests import gateway


@pytest.fixture(scope="module")
def routes() -> dict[str, dict[str, Any]]:
    out = io.StringIO()
    call_command("strangler_inventory", stdout=out)
    document = json.loads(out.getvalue())
    assert document["format"] == "strangler-inventory/1"
    assert document["session_cookie"] == "sessionid"
    return {entry["route"]: entry for entry in document["routes"]}


def test_a_function_view_is_listed_with_its_decorators(routes: dict[str, Any]) -> None:
    assert routes["shop/account/"] == {
        "route": "shop/account/",
        "kind": "page",
        "name": "pages:account",
        "view": "tests.shop.views.account",
        "app": "shop",
        "methods": ["GET", "HEAD", "POST"],
        "decorators": {"login_required": True, "never_cache": True},
    }
    assert routes["report/"]["decorators"] == {"cache_page": 60, "permission_required": ["shop.view_order"]}
    assert routes["report/"]["methods"] is None
    assert routes["orders/place/"]["decorators"] == {"csrf_exempt": True}
    assert routes["orders/place/"]["methods"] == ["POST"]


def test_a_class_view_is_listed_with_its_methods(routes: dict[str, Any]) -> None:
    entry = routes["shop/orders/<int:pk>/"]
    assert entry["view"] == "tests.shop.views.OrderPage"
    assert entry["methods"] == ["GET", "HEAD", "POST"]
    assert entry["decorators"] == {"login_required": True}
    assert routes["login/"]["view"] == "django.contrib.auth.views.LoginView"
    assert routes["login/"]["app"] == "auth"
    assert routes["login/"]["decorators"]["never_cache"] is True


def test_viewsets_are_listed_with_their_actions(routes: dict[str, Any]) -> None:
    listing = routes["api/orders/$"]
    assert (listing["kind"], listing["name"], listing["regex"]) == ("api", "order-list", True)
    assert listing["rest_framework"]["actions"] == {"get": "list", "post": "create"}
    assert listing["rest_framework"]["permissions"] == ["IsAuthenticated"]
    assert listing["methods"] == ["GET", "HEAD", "POST"]
    assert routes["api/orders/(?P<pk>[^/.]+)/cancel/$"]["rest_framework"]["actions"] == {"post": "cancel"}
    assert routes["api/who/"]["rest_framework"]["authentication"] == ["GatewayAuthentication"]
    assert routes["api/who/"]["methods"] == ["GET", "HEAD", "POST"]


def test_the_admin_is_one_entry_and_files_have_theirs(routes: dict[str, Any]) -> None:
    assert routes["admin/"]["kind"] == "admin"
    assert routes["admin/"]["covers"] > 10
    assert [route for route in routes if route.startswith("admin/")] == ["admin/"]
    assert routes["static/"]["kind"] == "static"
    assert routes["^media/(?P<path>.*)$"]["kind"] == "media"


def test_a_translated_route_is_one_entry_with_variants(routes: dict[str, Any]) -> None:
    assert routes["news/"]["variants"] == ["de/news/"]


@pytest.mark.parametrize(
    ("path", "language"),
    [("/legacy/2020/", "en"), ("/shop/orders/5/", "en"), ("/api/orders/5/cancel/", "en"), ("/news/", "en"),
     ("/de/news/", "de")],
)  # fmt: skip
def test_every_route_is_named_as_django_names_it(routes: dict[str, Any], path: str, language: str) -> None:
    with translation.override(language):
        found = resolve(path).route
    assert any(found in (route, *entry.get("variants", ())) for route, entry in routes.items())


def test_the_inventory_is_written_to_a_file(tmp_path: Path) -> None:
    call_command("strangler_inventory", out=tmp_path / "routes.json", stderr=io.StringIO())
    assert json.loads((tmp_path / "routes.json").read_text())["routes"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/whoami/", "whoami/"),
        ("/legacy/2020/", r"^legacy/(?P<year>\d{4})/$"),
        ("/de/news/", "de/news/"),
        ("/nothing/", ""),
    ],
)
def test_the_gateway_that_asks_is_told_the_route(path: str, route: str) -> None:
    asked = gateway.ask()
    response = Client().get(path, headers=asked)
    assert gateway.route(response, asked, "GET", path) == route


@pytest.mark.django_db
def test_a_client_that_asks_is_told_nothing() -> None:
    for headers in ({}, gateway.ask(secret="another secret " * 3), gateway.ask(at=1), {"X-Strangler-Ask": "1"}):
        assert "X-Strangler-Route" not in Client().get("/whoami/", headers=headers).headers


@override_settings(MIDDLEWARE=["django.contrib.auth.middleware.LoginRequiredMiddleware"])
def test_views_behind_the_login_middleware_are_listed_as_such() -> None:
    out = io.StringIO()
    call_command("strangler_inventory", stdout=out)
    routes = {entry["route"]: entry for entry in json.loads(out.getvalue())["routes"]}
    assert routes["whoami/"]["decorators"] == {"login_required": True}
