"""Key sets and secrets of providers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from strangler.config.load import load
from strangler.config.text.problems import ConfigurationError
from strangler.model.auth import Provider

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
        ("jwks: dev/jwks.json\nalgorithms: [HS256]", "9:7: auth.providers.shop: HS256 requires 'secret'"),
        ("jwks: dev/jwks.json\nalgorithms: [RS256, HS256]", "9:7: auth.providers.shop: HS algorithms can't be mixed"),
        ("jwks: dev/jwks.json\nalgorithms: [none]", "9:20: auth.providers.shop.algorithms[0]: the text 'none' is not"),
        ("jwks: dev/jwks.json\nalgorithms: []", "9:7: auth.providers.shop.algorithms: must hold at least one"),
        ("jwks: none.json\nalgorithms: [RS256]", "8:13: auth.providers.shop: none.json can't be read: No such file"),
        ("jwks: gateway.yaml\nalgorithms: [RS256]", "8:13: auth.providers.shop: gateway.yaml is not JSON"),
        (
            "jwks: http://id.example/k\nalgorithms: [RS256]",
            "8:13: auth.providers.shop: 'http://id.example/k': keys are",
        ),
        ("secret: ${S}\nalgorithms: [RS256]", "9:7: auth.providers.shop: RS256 requires 'jwks' or 'discovery'"),
        (f"secret: {LONG}\nalgorithms: [HS256]", "8:15: auth.providers.shop: a secret must not be in the config"),
        (f"secret: '${{X:-{LONG}}}'\nalgorithms: [HS256]", "8:15: auth.providers.shop: a secret must not be in the"),
        ("secret: file:none\nalgorithms: [HS256]", "8:15: auth.providers.shop: none can't be read"),
        ("secret: ${NONE}\nalgorithms: [HS256]", "8:15: the environment variable NONE is not set"),
        ("secret: ${SHORT}\nalgorithms: [HS256]", "8:15: auth.providers.shop: the secret has 5 bytes; 32 are"),
        ("secret: ${S}\nalgorithms: [HS512]", "8:15: auth.providers.shop: the secret has 32 bytes; 64 are"),
        ("secret: ${EMPTY}\nalgorithms: [HS256]", "8:15: auth.providers.shop"),
    ],
)
def test_providers_that_can_not_verify_tokens_are_refused(
    write: Write, problems: Problems, rest: str, problem: str
) -> None:
    (found,) = problems(write(provider(rest)), {"S": LONG, "SHORT": "12345", "EMPTY": ""})
    assert found.startswith(f"gateway.yaml:{problem}")
    assert LONG not in found


UNCHECKED = """\
version: 1
upstreams: {a: {endpoints: 'http://127.0.0.1:1'}}
auth:
  providers:
    shop:
      %s
routes: [{name: r, match: {path: /}, upstream: a, auth: {provider: shop}}]
"""


def own_secret(*lines: str) -> str:
    return UNCHECKED % "\n      ".join(["secret: ${SECRET}", "algorithms: [HS256]", *lines])


def test_tokens_of_a_secret_may_lack_issuer_and_audience(write: Write) -> None:
    found = compiled(write(own_secret("unchecked: [issuer, audience]", "subject_claim: user_id")), {"SECRET": LONG})
    assert (found.issuer, found.audiences, found.subject_claim) == (None, None, "user_id")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            ["audience: a"],
            "auth.providers.shop: 'issuer' is missing (if tokens signed with this secret lack it: unchecked: [issuer])",
        ),
        (
            ["issuer: a"],
            "auth.providers.shop: 'audience' is missing"
            " (if tokens signed with this secret lack it: unchecked: [audience])",
        ),
        (
            ["issuer: a", "audience: a", "unchecked: [issuer]"],
            "auth.providers.shop: 'issuer' is both set and unchecked: remove one of the two",
        ),
    ],
)
def test_issuer_and_audience_are_required_unless_unchecked(
    write: Write, problems: Problems, lines: list[str], said: str
) -> None:
    assert problems(write(own_secret(*lines)), {"SECRET": LONG})[0].endswith(said)


@pytest.mark.parametrize("source", ["jwks: https://id.example/keys", "discovery: true"])
def test_tokens_of_a_key_set_are_never_unchecked(write: Write, problems: Problems, source: str) -> None:
    text = UNCHECKED % "\n      ".join(
        [source, "algorithms: [ES256]", "issuer: https://id.example", "unchecked: [audience]"]
    )
    assert problems(write(text))[0].endswith(
        "auth.providers.shop: only tokens signed with 'secret' may go unchecked: a key set also signs tokens for other"
        " audiences"
    )
    assert problems(write(UNCHECKED % f"{source}\n      algorithms: [ES256]"))[0].endswith("'issuer' is missing")


SESSIONS = (
    "version: 1\nupstreams: {a: {endpoints: 'http://127.0.0.1:1'}}\n"
    "auth: {providers: {shop: {django_session: {upstream: a, secret: '${SECRET}'REST}}}}\n"
    "routes: [{name: r, match: {path: /}, upstream: a, auth: {provider: shop}}]\n"
)


def test_a_provider_of_sessions_names_its_project(write: Write) -> None:
    file = write(SESSIONS.replace("REST", ", ttl: 5s, cookie: sid"))
    session = compiled(file, {"SECRET": LONG}).session
    assert session is not None
    assert (session.upstream, session.ttl, session.cookie, session.secret) == ("a", 5.0, "sid", LONG.encode())
    assert LONG not in repr(session)
    versions = {load(file, {"SECRET": LONG + end}).snapshot.version for end in ("", "x")}
    assert len(versions) == 2


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        (", path: no/slash", "'no/slash' is not a plain absolute path"),
        (', path: "/a b"', "'/a b' is not a plain absolute path"),
        (", cookie: 'a;b'", "'a;b' is not the name of a cookie"),
        ("}, issuer: x, unchecked: [", "'issuer' does not apply to 'django_session'"),
    ],
)
def test_a_provider_of_sessions_that_can_not_work_is_refused(write: Write, rest: str, expected: str) -> None:
    text = SESSIONS.replace("REST", rest).replace("[}}}}", "[]}}}")
    with pytest.raises(ConfigurationError) as refused:
        load(write(text), {"SECRET": LONG})
    assert expected in str(refused.value)


def test_the_secret_and_the_upstream_of_sessions_are_checked(write: Write) -> None:
    for text, environment, expected in (
        (SESSIONS.replace("REST", ""), {"SECRET": "short"}, "the secret has 5 bytes; 32 are required"),
        (SESSIONS.replace("REST", "").replace("${SECRET}", LONG), {}, "a secret must not be in the configuration"),
        (SESSIONS.replace("REST", "").replace("upstream: a, secret", "upstream: b, secret"), {"SECRET": LONG}, "'b'"),
    ):
        with pytest.raises(ConfigurationError) as refused:
            load(write(text), environment)
        assert expected in str(refused.value)
