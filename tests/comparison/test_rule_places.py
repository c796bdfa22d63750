"""The rules' paths lead where the library says that they lead."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strangler.comparison.json.rule_places import Governed, steps_of
from strangler.comparison.rules import Rule
from strangler.config.compile.compare import DEFAULT_RULES
from strangler.config.schema.compare_values import JSON_PATHS

RULE = Rule("a rule", DEFAULT_RULES.rules[0].treatment)

documents = st.recursive(
    st.integers(0, 2) | st.none() | st.text("ab", max_size=1),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "b", "c-d", "0"]), inner),
    max_leaves=25,
).filter(lambda document: isinstance(document, (dict, list)))
segments = st.sampled_from(
    [".a", ".b", '["c-d"]', '["0"]', "[0]", "[1]", ".*", "[*]", "..a", "..*", "..[0]", '["a","b"]', "..b"]
)


def led(path: str, document: Any) -> set[tuple[int, str | int]]:
    """Where the library finds something: the container, and the key in it."""
    return {
        (id(match.parent.obj), match.parts[-1])
        for match in JSON_PATHS.compile(path).finditer(document)
        if match.parent is not None
    }


@settings(deadline=None, max_examples=400)
@given(documents, st.lists(segments, min_size=1, max_size=4).map(lambda parts: "$" + "".join(parts)))
def test_a_path_of_steps_leads_where_the_library_says(document: Any, path: str) -> None:
    compiled: Any = JSON_PATHS.compile(path)
    assert steps_of(compiled) is not None
    found = Governed([(compiled, RULE)], [document])
    assert set(found.places) == led(path, document)


@pytest.mark.parametrize("path", ["$[-1]", "$[0:2]", "$[?@.a == 1]", "$..[?@.a]", "$.a[0, -1]"])
def test_what_needs_more_than_steps_is_asked_of_the_library(path: str) -> None:
    compiled: Any = JSON_PATHS.compile(path)
    assert steps_of(compiled) is None
    document = [{"a": 1}, {"a": [5, 6]}, {"a": {"a": 1}}]
    found = Governed([(compiled, RULE)], [document])
    assert set(found.places) == led(path, document)


def test_the_whole_document_is_a_place_too() -> None:
    compiled: Any = JSON_PATHS.compile("$")
    for document in ([], {}, 1, "a", None):
        assert Governed([(compiled, RULE)], [document]).root == [RULE]


def test_descents_in_a_deep_document_take_linear_time() -> None:
    document: Any = 1
    for _ in range(90):
        document = {"a": document, "b": document if isinstance(document, int) else 1}
    compiled: Any = JSON_PATHS.compile("$..a..a..a..a..a..a..a..a")
    assert len(Governed([(compiled, RULE)], [document]).places) == 83
