"""Key sets and secrets of providers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.config.load import load
from gateway.config.snapshot import Provider

Write = Callable[..., Path]
Problems = Callable[..., list[str]]

LONG = "0123456789abcdef" * 2


def provider(rest: str) -> str:
    return (
        "version: 1\nupstreams: {a: {endpoints: 'http://127.0.0.1:1'}}\n"
        "auth:\n  providers:\n    shop:\n      issuer: https://id.example/\n      audience: [a, b]\n"
        + "".join(f"      {line}\n" for line in rest.splitlines())
        + "routes: [{name: r, match: {path: /}, upstream: a, auth: {provider: shop}}]\n"
    )


def compiled(file: Path, environment: dict[str, str] | None = None) -> Provider:
    return load(file, environment or {}).snapshot.providers["shop"]


def test_a_key_set_is_a_file_beside_the_configuration(write: Write, tmp_path: Path) -> None:
    found = compiled(write(provider("jwks: dev/jwks.json\nalgorithms: [RS256]")))
    assert found.jwks_file == str(tmp_path / "dev/jwks.json")
    assert (found.jwks_url, found.discovery_url, found.secret) == (None, None, None)
    assert found.audiences == ("a", "b")


@pytest.mark.parametrize("url", ["https://id.example/keys", "http://127.0.0.1:8100/keys", "http://localhost/keys"])
def test_a_key_set_is_a_url(write: Write, url: str) -> None:
    assert compiled(write(provider(f"jwks: {url}\nalgorithms: [ES256]"))).jwks_url == url


def test_a_key_set_is_discovered(write: Write) -> None:
    found = compiled(write(provider("discovery: true\nalgorithms: [EdDSA]")))
    assert found.discovery_url == "https://id.example/.well-known/openid-configuration"


def test_a_secret_comes_from_the_environment(write: Write) -> None:
    file = write(provider("secret: ${SECRET}\nalgorithms: HS256".replace("HS256", "[HS256]")))
    found = compiled(file, {"SECRET": LONG})
    assert found.secret == LONG.encode()
    assert LONG not in repr(found)
    versions = {load(file, {"SECRET": LONG + end}).snapshot.version for end in ("", "x")}
    assert len(versions) == 2


def test_a_secret_comes_from_a_file(write: Write, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(LONG + "\n")
    file = write(provider("secret: file:secret\nalgorithms: [HS256]"))
    assert compiled(file).secret == LONG.encode()
    assert tmp_path / "secret" in load(file, {}).watched


@pytest.mark.parametrize(
    ("rest", "problem"),
    [
        ("algorithms: [RS256]", "5:5: auth.providers.shop: has no keys"),
        ("jwks: dev/jwks.json\ndiscovery: true\nalgorithms: [RS256]", "9:18: auth.providers.shop: 'jwks' and 'disco"),
        ("jwks: dev/jwks.json\nalgorithms: [HS256]", "9:7: auth.providers.shop: HS256 needs 'secret'"),
        ("jwks: dev/jwks.json\nalgorithms: [RS256, HS256]", "9:7: auth.providers.shop: HS algorithms can't be mixed"),
        ("jwks: dev/jwks.json\nalgorithms: [none]", "9:20: auth.providers.shop.algorithms[0]: the text 'none' is not"),
        ("jwks: dev/jwks.json\nalgorithms: []", "9:7: auth.providers.shop.algorithms: must hold at least one"),
        ("jwks: none.json\nalgorithms: [RS256]", "8:13: auth.providers.shop: none.json can't be read: No such file"),
        ("jwks: gateway.yaml\nalgorithms: [RS256]", "8:13: auth.providers.shop: gateway.yaml is not JSON"),
        (
            "jwks: http://id.example/k\nalgorithms: [RS256]",
            "8:13: auth.providers.shop: 'http://id.example/k': keys may",
        ),
        ("secret: ${S}\nalgorithms: [RS256]", "9:7: auth.providers.shop: RS256 needs 'jwks' or 'discovery'"),
        (f"secret: {LONG}\nalgorithms: [HS256]", "8:15: auth.providers.shop: a secret can't stand in the config"),
        (f"secret: '${{X:-{LONG}}}'\nalgorithms: [HS256]", "8:15: auth.providers.shop: a secret can't stand in the"),
        ("secret: file:none\nalgorithms: [HS256]", "8:15: auth.providers.shop: none can't be read"),
        ("secret: ${NONE}\nalgorithms: [HS256]", "8:15: the environment variable NONE is not set"),
        ("secret: ${SHORT}\nalgorithms: [HS256]", "8:15: auth.providers.shop: the secret has 5 bytes where 32 are"),
        ("secret: ${S}\nalgorithms: [HS512]", "8:15: auth.providers.shop: the secret has 32 bytes where 64 are"),
        ("secret: ${EMPTY}\nalgorithms: [HS256]", "8:15: auth.providers.shop"),
    ],
)
def test_what_could_not_verify_tokens_is_refused(write: Write, problems: Problems, rest: str, problem: str) -> None:
    (found,) = problems(write(provider(rest)), {"S": LONG, "SHORT": "12345", "EMPTY": ""})
    assert found.startswith(f"gateway.yaml:{problem}")
    assert LONG not in found
