"""Orders about rollouts by the admin API."""

from __future__ import annotations

import pytest

from tests.control.admin.gateways import OPERATE, AdminApi


def test_rollouts_are_shown(api: AdminApi) -> None:
    shown = api.get("/rollouts").json()
    assert (shown["gateway"], shown["leads"], shown["freeze"]) == ("gateway-1", True, None)
    assert shown["rollouts"]["items"]["step"] == "5"


def test_orders_reach_the_controller_with_the_name_of_the_token(api: AdminApi) -> None:
    for kind, body in (("pause", {"reason": " sale "}), ("rollback", {}), ("promote", {"force": True})):
        response = api.request("POST", f"/rollouts/items/{kind}", token=OPERATE, json=body)
        assert (response.status_code, response.json()["rollouts"]["items"]["migration"]) == (200, "items")
    assert api.rollouts.orders == [
        ("items", "pause", "ada", "sale", False),
        ("items", "rollback", "ada", "", False),
        ("items", "promote", "ada", "", True),
    ]


def test_an_order_that_does_not_fit_is_a_conflict(api: AdminApi) -> None:
    response = api.request("POST", "/rollouts/items/approve", token=OPERATE, json={})
    assert (response.status_code, response.json()["detail"]) == (409, "the next step needs no approval")


def test_an_unknown_migration_is_not_found(api: AdminApi) -> None:
    assert api.request("POST", "/rollouts/itmes/pause", token=OPERATE, json={}).status_code == 404
    response = api.get("/rollouts/itmes/history")
    assert (response.status_code, response.json()["detail"]) == (404, "there is no migration 'itmes'")


def test_freeze_and_its_end(api: AdminApi) -> None:
    frozen = api.request("PUT", "/freeze", token=OPERATE, json={"reason": "sale"}).json()["freeze"]
    assert (frozen["by"], frozen["reason"]) == ("ada", "sale")
    assert api.request("DELETE", "/freeze", token=OPERATE).json()["freeze"] is None
    assert api.request("DELETE", "/freeze", token=OPERATE).status_code == 409


def test_history_has_a_limit(api: AdminApi) -> None:
    assert len(api.get("/rollouts/items/history").json()) == 1
    for limit in ("0", "1001", "-1", "x", "9" * 5000, ""):
        assert api.get("/rollouts/items/history", params={"limit": limit}).status_code == 422, limit


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        ("{}", "text/plain", 415),
        ("{}", "", 415),
        ("{", "application/json", 422),
        ("[]", "application/json", 422),
        ('{"reason": 5}', "application/json", 422),
        ('{"reason": "two\\nlines"}', "application/json", 422),
        ('{"force": true}', "application/json", 422),
        ('{"reason": "' + "x" * 501 + '"}', "application/json", 422),
        (" " * 20_000, "application/json", 413),
        ("{}", "application/json; charset=utf-8", 200),
    ],
)
def test_documents_of_another_kind_or_size_are_refused(api: AdminApi, content: str, kind: str, status: int) -> None:
    headers = {"Content-Type": kind}
    response = api.request("POST", "/rollouts/items/pause", token=OPERATE, content=content, headers=headers)
    assert response.status_code == status
