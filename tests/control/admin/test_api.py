"""The admin API shows what the gateway's status says."""

from __future__ import annotations

from tests.control.admin.gateways import AdminApi


def test_readyz_names_the_reason_while_not_ready(api: AdminApi) -> None:
    response = api.get("/readyz")
    assert (response.status_code, response.text) == (200, "ready\n")
    api.gateway.reason = "draining"
    response = api.get("/readyz")
    assert (response.status_code, response.text) == (503, "draining\n")


def test_readyz_fails_for_degraded_parts_only_when_strict(api: AdminApi) -> None:
    api.gateway.problems = ["evidence can't be stored: disk full"]
    for query, status in (("", 200), ("?strict=0", 200), ("?strict=1", 503), ("?strict=true", 503)):
        response = api.get(f"/readyz{query}")
        assert response.status_code == status, query
        assert response.text == "ready\ndegraded: evidence can't be stored: disk full\n"


def test_other_paths_show_what_the_status_says(api: AdminApi) -> None:
    assert api.get("/livez").text == "live\n"
    assert api.get("/metrics").text == "strangler_workers 2.0\n"
    assert api.get("/status").json() == {"ready": True}
    assert [route["name"] for route in api.get("/routes").json()] == ["items/one", "items/all"]


def test_refusals_are_problem_documents(api: AdminApi) -> None:
    response = api.get("/nothing")
    assert (response.status_code, response.headers["content-type"]) == (404, "application/problem+json")
    assert response.json() == {"type": "about:blank", "title": "Not Found", "status": 404, "detail": "Not Found"}
