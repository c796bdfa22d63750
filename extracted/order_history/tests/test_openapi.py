"""openapi.yaml describes the routes that the service has, and no others."""

from pathlib import Path
from typing import Any

import yaml

from order_history_service.app import build_app
from order_history_service.resource import Resource
from order_history_service.settings import Settings

DESCRIPTION: dict[str, Any] = yaml.safe_load((Path(__file__).parents[1] / "openapi.yaml").read_text())

# A value for each path parameter of the description.
EXAMPLES = {"id": "1", "key": "order-1"}


def described() -> dict[str, list[str]]:
    """The methods of each described path, with examples for its parameters."""
    return {
        path.format(**EXAMPLES): sorted(method.upper() for method in methods if method != "parameters")
        for path, methods in DESCRIPTION["paths"].items()
    }


def test_each_route_is_described_with_its_methods(settings: Settings) -> None:
    resources = [route for route in build_app(settings).routes if isinstance(route, Resource)]
    for path, methods in described().items():
        (resource,) = [resource for resource in resources if resource.pattern.fullmatch(path)]
        assert methods == sorted(method for method in resource.handlers if method != "HEAD")
    assert len(described()) == len(resources)


def test_each_operation_has_an_id_and_each_reference_a_target() -> None:
    operations = [
        operation["operationId"]
        for methods in DESCRIPTION["paths"].values()
        for method, operation in methods.items()
        if method != "parameters"
    ]
    assert len(set(operations)) == len(operations)
    for reference in references(DESCRIPTION):
        target: Any = DESCRIPTION
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]


def references(value: object) -> list[str]:
    if isinstance(value, dict):
        return [value["$ref"]] if "$ref" in value else [found for each in value.values() for found in references(each)]
    return [found for each in value for found in references(each)] if isinstance(value, list) else []
