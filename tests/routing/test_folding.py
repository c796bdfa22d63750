"""An upstream that takes other spellings of a path for the same says so, and routes are found as it finds its pages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from strangler.config.load import ConfigurationError, load
from strangler.model.snapshot import Snapshot
from strangler.routing.rehearse import Hypothetical, rehearse

CONFIGURATION = """\
version: 1
auth: {providers: {shop: {issuer: https://id.example, audience: a, jwks: jwks.json, algorithms: [RS256]}}}
upstreams:
  monolith: {endpoints: "http://127.0.0.1:1", PATHS}
  strict: {endpoints: "http://127.0.0.1:2", paths: {case: exact, final_slash: exact}}
default: monolith
routes:
  - {name: secret, match: {path: /Secret}, upstream: monolith, auth: {provider: shop}}
  - {name: moved, match: {path: "/moved/{id}"}, upstream: strict, auth: {provider: shop}}
  - {name: admin, match: {path: /admin/**}, upstream: monolith, auth: {provider: shop}}
  - {name: open, match: {path: /open/**}, upstream: strict}
  - {name: page, match: {path: /open/page}, upstream: strict}
"""
BOTH = "paths: {case: ignored, final_slash: ignored}"

Configured = Callable[[str], Snapshot]


@pytest.fixture
def configured(tmp_path: Path) -> Configured:
    def configured(paths: str) -> Snapshot:
        (tmp_path / "jwks.json").write_text('{"keys": []}')
        (tmp_path / "gateway.yaml").write_text(CONFIGURATION.replace("PATHS", paths))
        return load(tmp_path / "gateway.yaml", {}).snapshot

    return configured


def route_of(snapshot: Snapshot, path: str) -> str | int:
    """The route for `path`, or the status of a refusal but 401, which is the route's own."""
    decision = rehearse(snapshot, Hypothetical("GET", path)).decision
    if decision.refusal is not None and decision.route is None:
        return decision.refusal.status
    return "default" if decision.route is None else decision.route.name


@pytest.mark.parametrize("path", ["/SECRET", "/secret", "/sEcReT/", "/Secret/", "/%73ecret", "/secret%2f"])
def test_spellings_that_the_upstream_ignores_are_protected_too(configured: Configured, path: str) -> None:
    snapshot = configured(BOTH)
    decision = rehearse(snapshot, Hypothetical("GET", path)).decision
    assert decision.refusal is not None
    assert decision.refusal.status in (400, 401)
    assert decision.upstream is None


@pytest.mark.parametrize(
    ("paths", "path", "route"),
    [
        ("paths: {}", "/secret", "default"),
        ("paths: {}", "/Secret/", "default"),
        ("paths: {case: ignored}", "/secret", "secret"),
        ("paths: {case: ignored}", "/secret/", "default"),
        ("paths: {case: ignored}", "/ADMIN/x", "admin"),
        ("paths: {final_slash: ignored}", "/Secret/", "secret"),
        ("paths: {final_slash: ignored}", "/secret/", "default"),
        ("paths: {final_slash: ignored}", "/", "default"),
        (BOTH, "/secret/", "secret"),
        (BOTH, "/ADMIN", "admin"),
        (BOTH, "/elsewhere/", "default"),
        (BOTH, "/secret/x", "default"),
    ],
)
def test_case_and_final_slash_match_as_configured(configured: Configured, paths: str, path: str, route: str) -> None:
    assert route_of(configured(paths), path) == route


def test_a_route_moved_to_a_strict_upstream_still_folds_as_the_monolith(
    configured: Configured,
) -> None:
    """Else the default would send `/MOVED/1` to the monolith, which still has the page."""
    assert route_of(configured(BOTH), "/MOVED/1/") == "moved"
    assert route_of(configured("paths: {}"), "/MOVED/1/") == "default"


def test_routes_of_a_strict_upstream_alone_take_paths_as_they_are(configured: Configured) -> None:
    assert route_of(configured(BOTH), "/open/Page") == "open"
    assert route_of(configured(BOTH), "/open/page/") == "open"
    assert route_of(configured(BOTH), "/open/page") == "page"


@pytest.mark.parametrize("path", ["/x/../SECRET", "/SECRET/.", "//SECRET", "/x%2f..%2fsecret", "/open/..;/secret"])
def test_every_reading_of_a_path_is_folded(configured: Configured, path: str) -> None:
    assert route_of(configured(BOTH), path) == 400


def test_routes_that_differ_only_in_what_is_ignored_are_an_error(configured: Configured, tmp_path: Path) -> None:
    (tmp_path / "jwks.json").write_text('{"keys": []}')
    text = CONFIGURATION.replace("PATHS", BOTH)
    text += "  - {name: other, match: {path: /secret/}, upstream: strict}\n"
    (tmp_path / "gateway.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match="'other' can match the same request as 'secret'") as caught:
        load(tmp_path / "gateway.yaml", {})
    assert "once case and a final slash is ignored" in str(caught.value)


def warnings(tmp_path: Path, paths: str, text: str = CONFIGURATION) -> list[str]:
    (tmp_path / "jwks.json").write_text('{"keys": []}')
    (tmp_path / "gateway.yaml").write_text(text.replace("PATHS", paths))
    loaded = load(tmp_path / "gateway.yaml", {})
    return [one.message for one in loaded.warnings if "protects" in one.message]


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        ("paths: {}", ["/SECRET and /Secret/"]),
        ("paths: {case: exact}", ["forwards /Secret/ to"]),
        ("paths: {final_slash: exact}", ["forwards /SECRET to"]),
        ("paths: {case: exact, final_slash: ignored}", []),
        (BOTH, []),
    ],
)
def test_a_protected_path_under_a_catch_all_is_a_warning(tmp_path: Path, paths: str, said: list[str]) -> None:
    found = warnings(tmp_path, paths)
    assert len(found) == len(said)
    for warning, part in zip(found, said, strict=True):
        assert warning.startswith("the route 'secret' protects /Secret, but 'default' forwards")
        assert part in warning


def test_the_warning_names_the_wider_route_without_required_auth(tmp_path: Path) -> None:
    text = CONFIGURATION.replace("default: monolith\n", "")
    assert warnings(tmp_path, "paths: {}", text) == []
    wide = text + "  - {name: wide, match: {path: /**}, upstream: monolith, auth: {provider: shop, required: false}}\n"
    [warning] = warnings(tmp_path, "paths: {}", wide)
    assert "the route 'wide' forwards /SECRET and /Secret/ to 'monolith'" in warning
    assert "(and likewise 1 more route)" in warning
