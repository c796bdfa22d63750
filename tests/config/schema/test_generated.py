"""What is generated and committed is current."""

from __future__ import annotations

from pathlib import Path

from strangler.config.schema import json_schema, reference
from strangler.redaction import reference as redaction_reference

ROOT = Path(__file__).parents[3]


def test_the_committed_json_schema_is_current() -> None:
    committed = (ROOT / "config/gateway.schema.json").read_text()
    assert committed == json_schema.text(), (
        "run python -m strangler.config.schema.json_schema > config/gateway.schema.json"
    )


def test_the_committed_reference_is_current() -> None:
    committed = (ROOT / "docs/reference/configuration.md").read_text()
    assert committed == reference.text(), (
        "run python -m strangler.config.schema.reference > docs/reference/configuration.md"
    )


def test_the_committed_list_of_what_is_redacted_is_current() -> None:
    committed = (ROOT / "docs/reference/redaction.md").read_text()
    command = "python -m strangler.redaction.reference > docs/reference/redaction.md"
    assert committed == redaction_reference.text(), f"run {command}"


def test_every_field_is_described() -> None:
    schema = json_schema.schema()
    for name, section in {"": schema, **schema["$defs"]}.items():
        for key, field in section.get("properties", {}).items():
            kind = schema["$defs"].get(field.get("$ref", "").rpartition("/")[2], {})
            assert field.get("description") or kind.get("description"), f"{name}.{key} has no description"


def test_editors_may_use_variables_for_numbers() -> None:
    connections = json_schema.schema()["$defs"]["UpstreamSection"]["properties"]["connections"]
    assert connections["anyOf"] == [{"minimum": 1, "type": "integer"}, {"$ref": "#/$defs/Variable"}]
    assert connections["default"] == 512
