"""What rules and upstreams learn of a client certificate."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from strangler.auth.certificate import ClientCertificate, UnreadableCertificate, certificate_of
from strangler.auth.require import missing_certificate
from strangler.model.auth import AuthRequirement


def der(*parts: tuple[x509.ObjectIdentifier, str], names: list[x509.GeneralName] | None = None) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(kind, value) for kind, value in parts])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def test_a_subject_is_written_most_specific_part_first() -> None:
    found = certificate_of(der((NameOID.ORGANIZATION_NAME, "Acme, Inc."), (NameOID.COMMON_NAME, "device-7")))
    assert found == ClientCertificate("CN=device-7,O=Acme\\, Inc.")
    assert found.header_line == b"X-Client-Certificate-Subject: CN=device-7,O=Acme\\, Inc.\r\n"


def test_nothing_in_a_subject_can_end_a_header() -> None:
    found = certificate_of(der((NameOID.COMMON_NAME, "Zoë\r\nX-Auth-Subject: admin")))
    assert found.subject == "CN=Zo\\C3\\AB\\0D\\0AX-Auth-Subject: admin"
    assert found.header_line.count(b"\r\n") == 1


def test_a_workload_is_named_by_its_uri() -> None:
    uri = "spiffe://shop.example/catalog"
    found = certificate_of(
        der(names=[x509.UniformResourceIdentifier(uri), x509.DNSName("a.example"), x509.DNSName("b.example")])
    )
    assert found == ClientCertificate("", ("a.example", "b.example"), (uri,))
    assert found.name == uri
    assert found.header_line == b""


def test_invalid_der_is_an_unreadable_certificate() -> None:
    with pytest.raises(UnreadableCertificate):
        certificate_of(b"\x30\x03\x02\x01\x00")


@pytest.mark.parametrize(
    ("asked", "required", "lacking"),
    [
        ((), True, None),
        ((("dns", ("b.example", "z.example")),), True, None),
        ((("dns", ("z.example",)),), True, "dns"),
        ((("dns", ("a.example",)), ("subject", ("CN=x",))), True, "subject"),
        ((("uri", ("a.example",)),), False, "uri"),
    ],
)
def test_all_names_must_hold_one_of_their_values(
    asked: tuple[tuple[str, tuple[str, ...]], ...], required: bool, lacking: str | None
) -> None:
    requirement = AuthRequirement((), required, certificate=asked)
    found = missing_certificate(requirement, ClientCertificate("CN=device-7", ("a.example", "b.example")))
    assert found is None if lacking is None else lacking in (found or "")


def test_without_a_certificate_only_optional_routes_are_open() -> None:
    assert missing_certificate(AuthRequirement((), True, certificate=()), None)
    assert missing_certificate(AuthRequirement((), False, certificate=()), None) is None
