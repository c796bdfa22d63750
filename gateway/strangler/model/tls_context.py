"""From PEM to SSLContext: what TLS settings mean, and what may be wrong with them.

TLS 1.2 is the oldest version spoken (RFC 8996), with the ciphers that Python
allows for its default contexts. HTTP/1.1 is the only protocol offered to
endpoints (ALPN); a client may also choose HTTP/1.0.
A context is built from bytes that the snapshot holds, so that a worker never
reads a certificate whose key is just being replaced.
"""

from __future__ import annotations

import os
import ssl
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from strangler.model.listener import ListenerTls
from strangler.model.upstream import UpstreamTls

ALPN = ["http/1.1"]
LISTENER_ALPN = ["http/1.1", "http/1.0"]


class TlsFileError(Exception):
    """A PEM file can't be used; `field` is `certificate`, `key` or `ca`, the message is the reason."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def listener_context(tls: ListenerTls) -> ssl.SSLContext:
    """The context for connections from clients; raises ssl.SSLError for what OpenSSL rejects."""
    context = _context(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(LISTENER_ALPN)
    _load_pair(context, tls.certificate, tls.key)
    if tls.client_ca is not None:
        context.load_verify_locations(cadata=tls.client_ca.decode("ascii"))
        context.verify_mode = ssl.CERT_REQUIRED if tls.client_certificate == "required" else ssl.CERT_OPTIONAL
    return context


def upstream_context(tls: UpstreamTls) -> ssl.SSLContext:
    """The context for connections to endpoints; raises ssl.SSLError for what OpenSSL rejects."""
    context = _context(ssl.PROTOCOL_TLS_CLIENT)
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif tls.ca is not None:
        context.load_verify_locations(cadata=tls.ca.decode("ascii"))
    else:
        context.load_default_certs()
    if tls.certificate is not None and tls.key is not None:
        _load_pair(context, tls.certificate, tls.key)
    return context


def _context(protocol: int) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(ALPN)
    return context


def _load_pair(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    with _path_of(certificate + b"\n" + key) as path:
        context.load_cert_chain(path, password=_no_password)


def _no_password() -> str:
    raise ssl.SSLError("the key is encrypted")


@contextmanager
def _path_of(content: bytes) -> Iterator[str]:
    """A path under which OpenSSL finds `content`: in memory where the system can, so that no key is left on a disk."""
    if sys.platform == "linux":
        descriptor = os.memfd_create("pem", os.MFD_CLOEXEC)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            yield f"/proc/self/fd/{descriptor}"
    else:
        with tempfile.NamedTemporaryFile() as temporary:
            temporary.write(content)
            temporary.flush()
            yield temporary.name


def check_pair(certificate: bytes, key: bytes) -> None:
    """Raise TlsFileError unless both are PEM and belong together."""
    first = _certificates(certificate, "certificate")[0]
    try:
        private = load_pem_private_key(key, None)
    except TypeError:
        raise TlsFileError("key", "is encrypted; the gateway can't ask for a password") from None
    except (ValueError, UnsupportedAlgorithm):
        raise TlsFileError("key", "is not a private key in PEM") from None
    if _public(first.public_key()) != _public(private.public_key()):
        raise TlsFileError("key", "is not the key of the certificate")


def check_authorities(pem: bytes) -> None:
    """Raise TlsFileError unless `pem` holds certificates."""
    _certificates(pem, "ca")


def expired(pem: bytes, now: datetime | None = None) -> datetime | None:
    """When the first certificate of `pem` expired, None where it has not."""
    end = _certificates(pem, "certificate")[0].not_valid_after_utc
    return end if end <= (now or datetime.now(UTC)) else None


def _certificates(pem: bytes, field: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise TlsFileError(field, "is not a certificate in PEM") from None


def _public(key: object) -> bytes:
    encoded: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    return encoded
