"""Identity headers stand in one list: whatever the gateway sets from an identity must be dropped from clients."""

from __future__ import annotations

from strangler.auth.certificate import ClientCertificate
from strangler.auth.identity import identity_of
from strangler.config.checks.changes import REQUEST_FIELDS_KEPT
from strangler.model.auth import Provider
from strangler.model.dropped_fields import BELIEVED, FORWARDED, IDENTITY, PASSABLE, folded
from strangler.model.identity_headers import IDENTITY_HEADERS, SET_BY_GATEWAY
from strangler.proxy.http import field_actions as actions
from strangler.proxy.http.headers import REQUEST_ACTIONS

PROVIDER = Provider("shop", "https://id.example", ("shop",), ("RS256",))


def names(lines: bytes) -> set[str]:
    return {line.partition(":")[0] for line in lines.decode().splitlines()}


def test_gateway_sets_the_listed_identity_headers_and_no_others() -> None:
    identity = identity_of({"sub": "user-17", "scope": "orders:read"}, PROVIDER, 0.0)
    certificate = ClientCertificate("CN=device-7")
    assert names(identity.header_lines) | names(certificate.header_line) == set(SET_BY_GATEWAY)


def test_every_identity_header_is_dropped_from_clients_in_every_spelling() -> None:
    for name in IDENTITY_HEADERS:
        for spelling in (name, name.lower(), name.upper(), name.replace("-", "_"), name.replace("-", ".")):
            assert REQUEST_ACTIONS.of(spelling.encode()) == actions.DROP, spelling


def test_identity_headers_can_be_neither_passed_nor_changed_by_configuration() -> None:
    assert {folded(name) for name in IDENTITY_HEADERS} == IDENTITY
    assert not IDENTITY & (PASSABLE | FORWARDED | BELIEVED)
    assert REQUEST_FIELDS_KEPT.keys() >= IDENTITY
