"""How workers accept clients: addresses, TLS, limits, the access log and the visitor cookie."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class ListenerTls:
    """TLS for clients: PEM of the certificate chain and its key, and of the authorities of client certificates."""

    certificate: bytes
    key: bytes = field(repr=False)
    client_ca: bytes | None = None
    client_certificate: Literal["required", "optional"] = "required"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a worker accepts from a client.

    RFC 9110 section 4.1 recommends that servers accept targets of 8,000 bytes;
    upstreams often accept little more (gunicorn: a line of 8,190).
    `requests` bounds those of one connection, `connections_per_address` the
    connections of one client address that is not a trusted proxy's. Bodies
    flow and fill no memory, so their limit is wide. With
    `half_close`, a client that has closed its sending side still gets its
    responses.
    """

    target_bytes: int = 8000
    header_bytes: int = 32_768
    header_count: int = 100
    header_timeout: float = 10.0
    body_bytes: int = 1_073_741_824
    body_timeout: float = 30.0
    keep_alive: float = 75.0
    requests: int = 10_000
    connections: int = 20_000
    connections_per_address: int = 2_000
    half_close: bool = True


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """An address to listen on."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class AccessLog:
    """Where the access log goes: `path` None is standard output."""

    enabled: bool = True
    path: str | None = None


@dataclass(frozen=True, slots=True)
class VisitorCookie:
    """How the cookie of the sticky key `visitor` is set.

    `shared_caches` is about responses that shared caches may store: they get no
    cookie (`skip`), or get it and are made private.
    """

    same_site: Literal["lax", "strict", "none"] = "lax"
    partitioned: bool = False
    shared_caches: Literal["skip", "private"] = "skip"
