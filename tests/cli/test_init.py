"""`strangler init` writes a configuration that is valid and sends everything to the monolith."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from strangler.cli.init.paths import path_pattern
from strangler.cli.main import app
from strangler.config.load import load


@pytest.mark.parametrize(
    ("route", "regex", "pattern"),
    [
        ("", False, "/"),
        ("orders/<int:pk>/", False, "/orders/{pk}/"),
        ("<slug>/", False, "/{slug}/"),
        ("files/<path:name>", False, "/files/**"),
        ("files/<path:name>/edit/", False, None),
        ("page-<int:number>/", False, "/*/"),
        ("a/<int:x>/b/<int:x>/", False, "/a/*/b/*/"),
        ("a.b/(c)/", False, "/a.b/(c)/"),
        (r"^api/orders/(?P<id>[1-9][0-9]{0,17})\Z", True, "/api/orders/{id}"),
        (r"api/orders/(?P<pk>[^/.]+)/cancel/$", True, "/api/orders/{pk}/cancel/"),
        (r"^media/(?P<path>.*)$", True, "/media/**"),
        (r"^\.well-known/jwks\.json\Z", True, "/.well-known/jwks.json"),
        (r"^legacy/(?P<year>\d{4})/(?P<rest>(a|b)+)/$", True, "/legacy/{year}/{rest}/"),
        (r"shop/<int:pk>/(?P<x>[)(]+)/$", True, "/shop/{pk}/{x}/"),
        (r"api/orders\.(?P<format>[a-z0-9]+)/?$", True, None),
        (r"^api(?:/|\Z)", True, None),
        (r"^a/\d+/$", True, None),
        (r"^(?P<a>[a-z]+)-(?P<b>\d+)/$", True, "/*/"),
    ],
)
def test_a_django_route_becomes_a_path_pattern(route: str, regex: bool, pattern: str | None) -> None:
    assert path_pattern(route, regex=regex) == pattern


def entry(route: str, app_: str, **more: Any) -> dict[str, Any]:
    """A route of an inventory."""
    return {
        "route": route,
        "kind": "page",
        "name": "",
        "view": f"{app_}.views.page",
        "app": app_,
        "methods": None,
    } | more


INVENTORY = {
    "format": "strangler-inventory/1",
    "session_cookie": "sid",
    "routes": [
        entry("products/<int:pk>/", "catalog", methods=["GET", "HEAD"], decorators={"login_required": True}),
        entry("products/<slug:name>/", "search_pages"),
        entry("cart/", "orders", methods=["GET"]),
        entry("cart/", "orders", methods=["POST"]),
        entry("^odd(/|$)", "orders", regex=True),
        entry("login/", "auth", view="django.contrib.auth.views.LoginView"),
        entry("admin/", "admin", kind="admin"),
        entry("", "monolith"),
    ],
}


def init(folder: Path, *arguments: str, inventory: object = INVENTORY) -> tuple[int, str]:
    """Exit code and output of the command in `folder`."""
    (folder / "routes.json").write_text(json.dumps(inventory) if not isinstance(inventory, str) else inventory)
    result = CliRunner().invoke(app, ["init", "--out", str(folder / "gateway.yaml"), *arguments])
    return result.exit_code, result.output


def test_each_app_becomes_a_migration_at_the_monolith(tmp_path: Path) -> None:
    code, output = init(tmp_path, str(tmp_path / "routes.json"), "--monolith", "http://127.0.0.1:9000")
    assert code == 0, output
    snapshot = load(tmp_path / "gateway.yaml", {}).snapshot
    assert snapshot.upstreams["monolith"].endpoints[0].port == 9000
    assert sorted(snapshot.migrations) == ["catalog", "monolith-app", "orders"]
    assert {migration.stage for migration in snapshot.migrations.values()} == {"legacy"}
    assert [(route.path, sorted(route.methods)) for route in snapshot.routes if route.path == "/products/{pk}/"] == [
        ("/products/{pk}/", ["GET", "HEAD"])
    ]
    assert "3 migrations, 4 of 8 routes, all at the monolith" in output
    text = (tmp_path / "gateway.yaml").read_text()
    assert "# catalog.views.page; login_required" in text
    assert 'no path pattern for "^odd(/|$)"' in text
    assert 'cookie: "sid"' in text
    assert '#   admin: "admin/"' in text
    assert "LoginView" not in text
    assert output.count("  strangler ") == 3


def test_without_an_inventory_the_monolith_alone_is_written(tmp_path: Path) -> None:
    assert init(tmp_path)[0] == 0
    snapshot = load(tmp_path / "gateway.yaml", {}).snapshot
    assert (snapshot.default, list(snapshot.migrations)) == ("monolith", [])


def test_a_file_is_replaced_with_force_alone(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text("mine")
    code, output = init(tmp_path)
    assert (code, "exists already" in output) == (1, True)
    assert (tmp_path / "gateway.yaml").read_text() == "mine"
    assert init(tmp_path, "--force")[0] == 0


@pytest.mark.parametrize("inventory", ["{", "[]", '{"format": "another/1", "routes": []}'])
def test_what_is_no_inventory_is_refused(tmp_path: Path, inventory: str) -> None:
    code, output = init(tmp_path, str(tmp_path / "routes.json"), inventory=inventory)
    assert code == 1
    assert "routes.json" in output
    assert not (tmp_path / "gateway.yaml").exists()
