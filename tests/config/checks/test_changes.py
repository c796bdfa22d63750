"""What `headers`, `cors`, `rewrite` and `limits` of routes may not say."""

from __future__ import annotations

from pathlib import Path

import pytest

from strangler.config.load import ConfigurationError, load
from strangler.model.changes import Changes

BASE = """
version: 1
upstreams:
  legacy: {endpoints: "http://127.0.0.1:1"}
  extracted: {endpoints: "http://127.0.0.1:2", host: endpoint}
routes:
  - name: shop
    match: {path: "/shop/{id}/**", methods: [GET]}
    upstream: legacy
"""


def problems(tmp_path: Path, lines: str) -> list[str]:
    """What is wrong with a route that also says `lines`."""
    file = tmp_path / "gateway.yaml"
    file.write_text(BASE + "".join(f"    {line}\n" for line in lines.splitlines()))
    with pytest.raises(ConfigurationError) as raised:
        load(file)
    return [f"{problem.message} / {problem.hint}" for problem in raised.value.problems]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("headers: {request: {set: {Host: evil}}}", "the header Host can't be changed"),
        ("headers: {request: {remove: [content-length]}}", "it frames messages"),
        ("headers: {response: {set: {Transfer-Encoding: gzip}}}", "it frames messages"),
        ("headers: {request: {add: {X_Auth_Subject: admin}}}", "it identifies the caller"),
        ("headers: {request: {remove: X-Forwarded-For}}", "where the request came from"),
        ("headers: {response: {remove: Via}}", "the gateway writes it"),
        ("headers: {request: {set: {X-A: a}, remove: x-a}}", "is in both 'set' and 'remove'"),
        ('headers: {request: {set: {X-A: "a\\r\\nX-B: c"}}}', "is not a valid header value"),
        ("headers: {request: {set: {X A: a}}}", "is not a valid header name"),
        ("cors: {origins: '*', credentials: true}", "act as its visitor"),
        ("cors: {origins: ['*', 'https://a.example']}", "already covers every origin"),
        ("cors: {origins: https://a.example/}", "is not an origin"),
        ("cors: {origins: https://a.example:443}", "did you mean 'https://a.example'"),
        ("cors: {origins: [null]}", 'write the origin null in quotes, "null"'),
        ("cors: {origins: ['null'], credentials: true}", "a frame whose origin is null"),
        ("cors: {origins: https://Shop.example}", "did you mean 'https://shop.example'"),
        ("cors: {origins: https://bücher.example}", "write host names in ASCII"),
        ("cors: {origins: 'capacitor://localhost/'}", "is not an origin"),
        ("cors: {origins: 'chrome-extension://*'}", "is not an origin"),
        ("cors: {origins: https://*}", "is not an origin"),
        (
            "cors: {origins: https://a.example}\nheaders: {response: {set: {Access-Control-Allow-Origin: '*'}}}",
            "is written by 'cors' on this route",
        ),
        ("rewrite: {strip_prefix: /other}", "the route also matches paths that do not begin with '/other'"),
        ("rewrite: {strip_prefix: /sho}", "the route also matches paths that do not begin with '/sho'"),
        ("rewrite: {strip_prefix: shop}", "must be whole segments"),
        ("rewrite: {add_prefix: /}", "must be whole segments"),
        ("rewrite: {add_prefix: /a/../b}", "must be whole segments"),
        ("rewrite: {path: '/a/{name}'}", "the path has {name}, but match.path does not"),
        ("rewrite: {path: '/a/*'}", "the path has *"),
        ("rewrite: {path: '/a/{id}', add_prefix: /b}", "excludes strip_prefix and add_prefix"),
        ("limits: {body_bytes: 0}", "at least 1 byte"),
        ("limits: {}", "the key 'body_bytes' is missing"),
    ],
)
def test_invalid_changes_are_errors(tmp_path: Path, lines: str, said: str) -> None:
    found = problems(tmp_path, lines)
    assert len(found) == 1, found
    assert said in found[0]


def test_a_rewrite_to_the_rest_needs_a_match_of_the_rest(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(BASE.replace("/{id}/**", "/{id}") + "    rewrite: {path: '/a/{id}/**'}\n")
    with pytest.raises(ConfigurationError, match=r"ends with '\*\*', but match.path does not"):
        load(file)


def test_routes_have_the_changes_that_are_written_for_them(tmp_path: Path) -> None:
    route = "  - {{name: {0}, match: {{path: /{0}}}, upstream: {1}, {2}}}\n"
    written = [
        ("a", "legacy", ""),
        ("b", "legacy", ""),
        ("c", "legacy", "headers: {request: {remove: X-A}}"),
        ("d", "legacy", "headers: {request: {remove: X-A}}"),
        ("e", "legacy", "headers: {request: {remove: X-B}}"),
        ("f", "legacy", "cors: {origins: https://a.example}"),
        ("g", "extracted", ""),
    ]
    file = tmp_path / "gateway.yaml"
    file.write_text(BASE + "".join(route.format(*one) for one in written).replace(", }", "}"))
    snapshot = load(file).snapshot
    routes = {one.name: one for one in snapshot.routes}
    assert routes["c"].changes == routes["d"].changes != routes["e"].changes
    assert routes["a"].changes is None
    assert routes["g"].changes == {
        "extracted": Changes(endpoint_host=True, authorities=frozenset({"127.0.0.1:2"})),
    }
