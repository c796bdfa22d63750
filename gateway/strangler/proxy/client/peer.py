"""The other end of a client's connection: its address, its certificate, and whether its word counts."""

from __future__ import annotations

import asyncio
import ssl
from typing import NamedTuple

from strangler.auth.certificate import ClientCertificate, UnreadableCertificate, certificate_of
from strangler.proxy.exchange.request_head import TrustedPeer
from strangler.proxy.http.headers import forwarded_element, forwarded_lines
from strangler.routing.decide import Refusal
from strangler.routing.trust import TrustedProxies, plain_address


def peer_of(transport: asyncio.BaseTransport) -> str:
    """The address of the other end as it is written everywhere; "" where the socket has none."""
    name = transport.get_extra_info("peername")
    return (plain_address(name[0]) or str(name[0])) if name else ""


def shown_certificate(secure: ssl.SSLObject) -> tuple[ClientCertificate | None, Refusal | None]:
    """The certificate that the client has shown, if any, or why it is refused."""
    der = secure.getpeercert(binary_form=True)
    if der is None:
        return None, None
    try:
        return certificate_of(der), None
    except UnreadableCertificate:
        return None, Refusal(400, "The client certificate can't be read.")


class Origin(NamedTuple):
    """What every request of a connection carries because of where it comes from.

    `trusted` is set where the peer is a trusted proxy. `forwarded` are header
    lines for upstreams, and `element` is the peer's part of Forwarded, where
    upstreams get that field.
    """

    trusted: TrustedPeer | None
    forwarded: bytes
    element: str


def origin_of(
    peer: str, scheme: str, certificate: ClientCertificate | None, proxies: TrustedProxies, *, believed: bool
) -> Origin:
    """The origin of a connection from `peer`; if `believed` is false, it is no trusted proxy whatever its address."""
    shown = b"" if certificate is None else certificate.header_line
    if believed and peer in proxies:
        return Origin(TrustedPeer(peer, scheme, proxies), shown, "")
    element = forwarded_element(peer, scheme) if proxies.header == "Forwarded" else ""
    return Origin(None, forwarded_lines(peer, scheme) + shown, element)
