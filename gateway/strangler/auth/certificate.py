"""Who the caller is by its client certificate, once TLS has verified it.

Facts: a subject is written as in RFC 4514, most specific part first, as in
`CN=device-7,O=Acme`. What is not visible ASCII in it becomes `\\XX`, one for
each byte of UTF-8, which RFC 4514 reads back, so that it can stand in a header.
Workloads (SPIFFE) are named by a URI among the alternative names instead.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from strangler.model.identity_headers import CERTIFICATE_SUBJECT

_UNPRINTABLE = re.compile(rb"[^\x20-\x7e]")


class UnreadableCertificate(Exception):
    """OpenSSL has accepted a certificate whose names can't be read."""


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """What rules may ask of a verified client certificate."""

    subject: str = ""
    dns: tuple[str, ...] = ()
    uri: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What identifies the caller: the subject, or else the first URI or DNS name."""
        return next(iter((*filter(None, (self.subject,)), *self.uri, *self.dns)), "")

    def values(self, name: str) -> tuple[str, ...]:
        """The certificate's values of `name`: `subject`, `dns` or `uri`."""
        match name:
            case "subject":
                return (self.subject,) if self.subject else ()
            case "dns":
                return self.dns
            case _:
                return self.uri

    @property
    def header_line(self) -> bytes:
        """The header line with the subject for upstreams, ended by CRLF; empty without a subject."""
        return f"{CERTIFICATE_SUBJECT}: {self.subject}\r\n".encode("ascii") if self.subject else b""


def certificate_from(values: Mapping[str, tuple[str, ...]]) -> ClientCertificate:
    """A certificate with these `values` by name, for explanations and routing tests."""
    return ClientCertificate(next(iter(values.get("subject", ())), ""), values.get("dns", ()), values.get("uri", ()))


def certificate_of(der: bytes) -> ClientCertificate:
    """Read the certificate in `der`, which TLS has already verified.

    Raises UnreadableCertificate.
    """
    from cryptography import x509  # routing needs the class above without the library

    try:
        certificate = x509.load_der_x509_certificate(der)
        subject = _printable(certificate.subject.rfc4514_string())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ClientCertificate(subject)
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise UnreadableCertificate from error
    return ClientCertificate(
        subject,
        tuple(names.get_values_for_type(x509.DNSName)),
        tuple(names.get_values_for_type(x509.UniformResourceIdentifier)),
    )


def _printable(text: str) -> str:
    return _UNPRINTABLE.sub(lambda byte: b"\\%02X" % ord(byte[0]), text.encode()).decode("ascii")
