"""The examples in docs/compare.md give the results that the page states."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from strangler.comparison.compare import compare
from strangler.comparison.difference import DifferenceKind
from strangler.comparison.html import csrf
from strangler.comparison.response import Response
from strangler.config.compile.compare import DEFAULT_RULES, compile_rules
from strangler.config.schema.compare import CompareSection

PAGE = (Path(__file__).parents[2] / "docs" / "compare.md").read_text()
EXAMPLES: list[dict[str, Any]] = [
    example
    for block in re.findall(r"^```yaml\n(- legacy: .*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for example in yaml.safe_load(block)
]


def response(body: str) -> Response:
    kind = b"text/html" if body.startswith("<") else b"application/json"
    return Response(200, ((b"Content-Type", kind),), body.encode())


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.get("rule", {"name": "none"})["name"])
def test_example_gives_the_stated_differences(example: dict[str, Any]) -> None:
    rules = compile_rules(CompareSection.model_validate({"rules": [example["rule"]] if "rule" in example else []}))
    found = compare(response(example["legacy"]), response(example["extracted"]), rules)
    assert sorted(f"{difference.kind} {difference.path}" for difference in found.differences) == sorted(
        example.get("finds", [])
    )
    assert {name for _, name in found.ignored} == set(example.get("ignores", []))


def test_table_of_risks_matches_the_code() -> None:
    table = dict(re.findall(r"^\| `([a-z ]+)` \| .* \| (high|medium|low) \|$", PAGE, re.MULTILINE))
    assert table == {str(kind): str(DEFAULT_RULES.risks[kind]) for kind in DifferenceKind}


def test_names_of_csrf_tokens_are_all_listed() -> None:
    part = PAGE.partition("### CSRF tokens\n")[2].partition("```yaml")[0]
    fields, metas, scripts = (
        frozenset(re.findall(r"`([^`]+)`", item)) for item in re.split(r"^- in ", part, flags=re.MULTILINE)[1:4]
    )
    assert fields - {"<input>"} == csrf.FIELDS
    assert metas - {"<meta>"} == csrf.METAS
    assert {key for key in csrf.KEYS if key.isidentifier()} <= scripts


def test_program_prints_the_stated_line() -> None:
    ((program, printed),) = re.findall(r"^```python\n(.*?)^```\n\nprints `(.*)`", PAGE, re.MULTILINE | re.DOTALL)
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(program, {})
    assert output.getvalue().strip() == printed
