"""Certificates, keys and authorities that the configuration names, and rules about client certificates."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from cryptography.hazmat.primitives.serialization import load_pem_private_key as load_key

from strangler.config.load import load

Write = Callable[..., Path]
Problems = Callable[..., list[str]]

PLAIN = "version: 1\nupstreams: {a: {endpoints: 'http://127.0.0.1:1'}}\ndefault: a\n"
LISTENER = PLAIN + "tls: {certificate: tls/shop.crt, key: tls/shop.key%s}\n"
AUTHORITY = trustme.CA()


@pytest.fixture(autouse=True)
def files(tmp_path: Path) -> None:
    """`tls/` with two pairs, one that has expired, an encrypted key, the authority, and something else."""
    folder = tmp_path / "tls"
    folder.mkdir()
    day = timedelta(days=1)
    now = datetime.now(UTC)
    pairs = {
        "shop": AUTHORITY.issue_cert("shop.example"),
        "other": AUTHORITY.issue_cert("other.example"),
        "old": AUTHORITY.issue_cert("shop.example", not_before=now - 2 * day, not_after=now - day),
    }
    for name, pair in pairs.items():
        (folder / f"{name}.crt").write_bytes(pair.cert_chain_pems[0].bytes())
        (folder / f"{name}.key").write_bytes(pair.private_key_pem.bytes())
    key = load_key(pairs["shop"].private_key_pem.bytes(), None)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    (folder / "encrypted.key").write_bytes(secret)
    (folder / "ca.crt").write_bytes(AUTHORITY.cert_pem.bytes())
    (folder / "text").write_text("no PEM")


def test_a_pair_is_read_and_its_key_is_not_shown(write: Write, tmp_path: Path) -> None:
    loaded = load(write(LISTENER % ", client_ca: tls/ca.crt"), {})
    tls = loaded.snapshot.tls
    assert tls is not None
    assert tls.key == (tmp_path / "tls/shop.key").read_bytes()
    assert tls.client_certificate == "required"
    assert "PRIVATE" not in repr(loaded.snapshot)
    assert {tmp_path / f"tls/{name}" for name in ("shop.crt", "shop.key", "ca.crt")} <= set(loaded.watched)


def test_another_certificate_under_the_same_name_is_another_version(write: Write, tmp_path: Path) -> None:
    file = write(LISTENER % "")
    before = load(file, {}).snapshot.version
    for kind in ("crt", "key"):
        (tmp_path / f"tls/shop.{kind}").write_bytes((tmp_path / f"tls/other.{kind}").read_bytes())
    assert load(file, {}).snapshot.version != before


def test_an_expired_certificate_is_a_warning(write: Write) -> None:
    (warning,) = load(write(LISTENER.replace("shop", "old") % ""), {}).warnings
    assert "expired on" in str(warning)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (LISTENER.replace("shop.crt", "none.crt") % "", "4:20: tls: tls/none.crt can't be read: No such file"),
        (LISTENER.replace("shop.crt", "text") % "", "4:20: tls: tls/text is not a certificate in PEM"),
        (LISTENER.replace("shop.key", "text") % "", "4:39: tls: tls/text is not a private key in PEM"),
        (LISTENER.replace("shop.key", "other.key") % "", "tls: tls/other.key is not the key of the certificate"),
        (LISTENER.replace("shop.key", "encrypted.key") % "", "tls: tls/encrypted.key is encrypted"),
        (LISTENER % ", client_ca: tls/text", "tls: tls/text is not a certificate in PEM"),
        (LISTENER % ", client_certificate: optional", "has no effect without 'client_ca'"),
        (LISTENER % ", client_certificate: perhaps", "client_certificate"),
        (PLAIN + "tls: {certificate: tls/shop.crt}\n", "key"),
        (PLAIN.replace("1'}", "1', tls: {ca: tls/ca.crt}}"), "upstreams.a.tls has no effect: no endpoint is https"),
        (
            PLAIN.replace("http:", "https:").replace("1'}", "1', tls: {certificate: tls/shop.crt}}"),
            "'certificate' and 'key' go together",
        ),
        (
            PLAIN.replace("http:", "https:").replace("1'}", "1', tls: {server_name: 'a b'}}"),
            "'a b' is not a host name or address",
        ),
        (
            PLAIN.replace("http:", "https:").replace("1'}", f"1', tls: {{server_name: {'a' * 64}.example}}}}"),
            "has a label longer than 63 characters",
        ),
        (
            PLAIN.replace("http:", "https:").replace("1'}", "1', tls: {ca: tls/none}}"),
            "upstreams.a.tls: tls/none can't be read",
        ),
        (
            PLAIN + "routes: [{name: r, match: {path: /}, upstream: a, auth: {certificate: {}}}]\n",
            "'certificate' can never hold: clients are not asked for certificates (set 'tls.client_ca')",
        ),
        (
            PLAIN + "routes: [{name: r, match: {path: /}, upstream: a, auth: {required: false}}]\n",
            "requires nothing: set a provider or a certificate",
        ),
        (
            LISTENER % ", client_ca: tls/ca.crt"
            + "routes: [{name: r, match: {path: /}, upstream: a, auth: {certificate: {}, scopes: x}}]\n",
            "'scopes' applies to tokens",
        ),
        (
            LISTENER % ", client_ca: tls/ca.crt"
            + "routes: [{name: r, match: {path: /}, upstream: a, auth: {certificate: {issuer: x}}}]\n",
            "subject | dns | uri",
        ),
    ],
)
def test_invalid_settings_are_reported_at_their_place(
    write: Write, problems: Problems, text: str, problem: str
) -> None:
    (found,) = problems(write(text))
    assert problem in found


@pytest.mark.parametrize(
    "part",
    [
        "canary: {percent: 1, sticky: certificate}",
        "canary: {percent: 1}, always: 'certificate:dns=a'",
        "canary: {percent: 1}, never: 'certificate:subject'",
        "canary: {percent: 1}, override: {header: X-Side, permitted: 'certificate:uri=spiffe://a/b'}",
    ],
)
def test_a_migrations_rules_about_certificates_need_an_authority(write: Write, problems: Problems, part: str) -> None:
    text = (
        "upstreams: {a: {endpoints: 'http://127.0.0.1:1'}, b: {endpoints: 'http://127.0.0.1:2'}}\n"
        f"migrations: {{m: {{from: a, to: b, stage: canary, {part}, routes: [{{match: {{path: /}}}}]}}}}\n"
    )
    (problem,) = problems(write("version: 1\n" + text))
    assert "can never hold: clients are not asked for certificates" in problem
    listener = "tls: {certificate: tls/shop.crt, key: tls/shop.key, client_ca: tls/ca.crt}\n"
    load(write("version: 1\n" + text + listener), {})


def test_an_https_endpoint_has_its_own_usual_port(write: Write) -> None:
    (endpoint,) = (
        load(write(PLAIN.replace("http://127.0.0.1:1", "https://a.example")), {}).snapshot.upstreams["a"].endpoints
    )
    assert (endpoint.url, endpoint.port, endpoint.tls) == ("https://a.example", 443, True)


@pytest.mark.parametrize("protocol", ["h2c", "HTTP/2.0", "TLS/1.0", "h2", "web socket", ""])
def test_upgrades_that_bypass_rules_are_refused(write: Write, problems: Problems, protocol: str) -> None:
    assert problems(write(PLAIN.replace("1'}", f"1', upgrades: ['{protocol}']}}")))


def test_upgrade_protocols_are_case_insensitive(write: Write) -> None:
    text = PLAIN.replace("1'}", "1', upgrades: [WebSocket, SPDY/3.1]}")
    assert load(write(text), {}).snapshot.upstreams["a"].upgrades == {"websocket", "spdy/3.1"}
