"""`admin:` in the YAML: its address, and the tokens of the admin API."""

from __future__ import annotations

from pathlib import Path

import pytest

from strangler.config.load import load
from strangler.model.listener import ListenAddress
from tests.config.conftest import Problems, Write

BASE = "version: 1\nupstreams: {a: {endpoints: 'http://127.0.0.1:1'}}\ndefault: a\n"
ADA, GRACE = "a" * 32, "g" * 32
TOKENS = "admin:\n  listen: 0.0.0.0:8081\n  tokens:\n    ada: {token: '${ADA}', may: operate}\n"


def test_an_address_alone_is_the_address(write: Write) -> None:
    for text, address in (
        ("", ListenAddress("127.0.0.1", 8081)),
        ("admin: 9000\n", ListenAddress("127.0.0.1", 9000)),
        ("admin: 127.0.0.1:9001\n", ListenAddress("127.0.0.1", 9001)),
        ("admin: {listen: 9002}\n", ListenAddress("127.0.0.1", 9002)),
        ("admin: {hosts: [a.example]}\n", ListenAddress("127.0.0.1", 8081)),
    ):
        assert load(write(BASE + text), {}).snapshot.admin == address, text


def test_tokens_come_from_files_and_the_environment(write: Write, tmp_path: Path) -> None:
    (tmp_path / "grace").write_text(GRACE + "\n")
    file = write(BASE + TOKENS + "    grace: {token: file:grace}\n  hosts: [Gateway.example]\n")
    loaded = load(file, {"ADA": ADA, "STRANGLER_ADMIN_TOKEN": "o" * 32})
    holders = {token.name: token.may for token in loaded.admin.tokens}
    assert holders == {"ada": "operate", "grace": "read", "operator": "operate"}
    assert loaded.admin.hosts == {"gateway.example"}
    for token, name in ((ADA, "ada"), (GRACE, "grace"), ("o" * 32, "operator")):
        holder = loaded.admin.holder(token.encode())
        assert holder is not None
        assert holder.name == name
    assert loaded.admin.holder(b"a" * 33) is None
    assert tmp_path / "grace" in loaded.watched
    assert ADA not in repr(loaded.admin)


def test_a_new_token_is_a_new_version(write: Write) -> None:
    file = write(BASE + TOKENS)
    versions = {load(file, {"ADA": token}).snapshot.version for token in (ADA, ADA, GRACE)}
    assert len(versions) == 2


def test_listening_beyond_loopback_requires_tokens(write: Write, problems: Problems) -> None:
    for address in ("0.0.0.0:8081", "'[::]:8081'", "10.0.0.1:8081", "admin.example:8081"):
        (found,) = problems(write(BASE + f"admin: {address}\n"))
        assert found.startswith("gateway.yaml:4:8: the admin API at ")
        assert ", beyond loopback, requires tokens, and there are none (add admin.tokens, or set STRANGLER" in found
    load(write(BASE + "admin: 0.0.0.0:8081\n"), {"STRANGLER_ADMIN_TOKEN": ADA})
    load(write(BASE + TOKENS), {"ADA": ADA})


@pytest.mark.parametrize(
    ("text", "environment", "expected"),
    [
        ("{listen: 1.2.3}", {}, "4:17: admin.listen: expected host:port or a port"),
        ("1.2.3", {}, "4:8: admin.listen: expected host:port or a port"),
        ("{tokens: {ada: {token: '${ADA}'}}}", {"ADA": "short"}, "4:31: admin.tokens.ada: the token has 5 characters"),
        ("{tokens: {ada: {token: '${ADA}'}}}", {"ADA": "ä" * 32}, "4:31: admin.tokens.ada: the token has characters"),
        ("{tokens: {ada: {token: '${ADA}'}}}", {"ADA": ""}, "4:31: admin.tokens.ada"),
        (f"{{tokens: {{ada: {{token: {ADA}}}}}}}", {}, "4:31: admin.tokens.ada: a secret must not be in the config"),
        ("{tokens: {ada: {token: file:none}}}", {}, "4:31: admin.tokens.ada: none can't be read"),
        (
            "{tokens: {ada: {token: '${ADA}'}, bob: {token: '${ADA}'}}}",
            {"ADA": ADA},
            "4:55: admin.tokens.bob: two holders have the same token",
        ),
        ("{tokens: {ada: {token: '${ADA}', may: write}}}", {"ADA": ADA}, "4:46: admin.tokens.ada.may"),
        ("8081", {"STRANGLER_ADMIN_TOKEN": "x"}, "4:8: the token in the environment variable STRANGLER_ADMIN_TOKEN"),
    ],
)
def test_what_is_wrong_is_reported_at_its_place(
    write: Write, problems: Problems, text: str, environment: dict[str, str], expected: str
) -> None:
    (found,) = problems(write(BASE + f"admin: {text}\n"), environment)
    assert found.startswith(f"gateway.yaml:{expected}")
    assert ADA not in found
