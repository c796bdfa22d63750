"""The OpenAPI description: current, and true of every operation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import schemathesis
from hypothesis import given, settings
from schemathesis import Case

from strangler.control.admin import openapi
from tests.control.admin.gateways import OPERATE, AdminApi
from tests.plan.configurations import week

COMMITTED = Path(__file__).parents[3] / "docs/reference/admin-api.json"
DOCUMENT = json.loads(openapi.text())
OPERATIONS = [(method, path) for path, methods in DOCUMENT["paths"].items() for method in methods]


def test_the_committed_description_is_current() -> None:
    assert COMMITTED.read_text() == openapi.text(), "run python -m strangler.control.admin.openapi"


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_responses_are_those_of_the_description(api: AdminApi, method: str, path: str) -> None:
    api.gateway.traffic = week()
    description = schemathesis.openapi.from_dict(DOCUMENT)
    description.app = api.app
    operation = description[path][method]

    @given(case=operation.as_strategy())
    @settings(max_examples=20, deadline=None, database=None)
    def check(case: Case) -> None:
        case.headers["Authorization"] = f"Bearer {OPERATE}"
        case.headers["Host"] = "localhost"
        case.call_and_validate()

    check()
