"""Whatever is written, the answer is a snapshot or a list of problems with places, never a crash."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strangler.config.load import ConfigurationError, load
from strangler.config.text.document import Step

VALID: dict[str, Any] = {
    "version": 1,
    "listen": 8080,
    "auth": {
        "providers": {"p": {"issuer": "https://i.example", "audience": "a", "discovery": True, "algorithms": ["RS256"]}}
    },
    "upstreams": {
        "a": {"endpoints": ["http://127.0.0.1:1"], "timeouts": {"connect": "1s"}, "health": {"path": "/h"}},
        "b": {"endpoints": "http://127.0.0.1:2", "connections": 3},
    },
    "default": "a",
    "migrations": {
        "m": {
            "from": "a",
            "to": "b",
            "stage": "canary",
            "canary": {"percent": 10, "sticky": ["claim:sub", "visitor"]},
            "auth": {"provider": "p", "scopes": ["x"], "claims": {"k": "v"}},
            "always": ["claim:t=a"],
            "override": {"header": "X-Side", "permitted": "scope:x"},
            "routes": [{"match": {"path": "/m/**", "methods": ["GET"], "headers": {"X": None}}}],
        }
    },
    "routes": [{"name": "r", "match": {"path": "/r", "query": {"q": "1"}}, "upstream": "b"}],
    "trusted_proxies": ["10.0.0.0/8"],
    "limits": {"header_bytes": "8KiB"},
    "tests": [{"request": "GET /m/1", "claims": {"sub": "1"}, "expect": {"migration": "m", "side": "legacy"}}],
}


def places(value: Any, path: tuple[Step, ...] = ()) -> list[tuple[Step, ...]]:
    """The paths of all values."""
    below: list[tuple[Step, Any]] = []
    if isinstance(value, dict):
        below = list(value.items())
    elif isinstance(value, list):
        below = list(enumerate(value))
    return [path, *(place for step, child in below for place in places(child, (*path, step)))]


def replaced(value: Any, path: tuple[Step, ...], other: Any) -> Any:
    """`value` with `other` at `path`."""
    if not path:
        return other
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(copy[path[0]], path[1:], other)
    return copy


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["/x/**", "http://[", "http://a:99999999", "claim:", "ip:", "[::1", "${A}", "${A:-}", "1e999"])
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SCALARS, inner, max_size=3), max_leaves=6
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.sampled_from(places(VALID)[1:]), VALUES), min_size=1, max_size=3))
def test_any_value_is_accepted_or_reported(tmp_path: Path, changes: list[tuple[tuple[Step, ...], Any]]) -> None:
    content: Any = VALID
    for path, value in changes:
        try:
            content = replaced(content, path, value)
        except (LookupError, TypeError, ValueError):
            continue  # an earlier change took this place away
    file = tmp_path / "gateway.yaml"
    file.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8", errors="replace")
    try:
        version, problems = load(file, {}).snapshot.version, []
    except ConfigurationError as error:
        version, problems = None, error.problems
    assert bool(version) != bool(problems)
    for problem in problems:
        assert problem.source.file == str(file)
        assert problem.source.line >= 1
        assert problem.source.column >= 1


@pytest.mark.parametrize("text", ["{}", "version: 1", "upstreams: []", "? [a]\n: b", "a: !x b", "<<: 1", "&a : *a"])
def test_odd_documents_are_reported(tmp_path: Path, text: str) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(text)
    with pytest.raises(ConfigurationError):
        load(file, {})
