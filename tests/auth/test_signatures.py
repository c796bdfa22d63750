"""The gateway and django-strangler sign and verify each other's messages."""

from __future__ import annotations

import pytest
from django_strangler import signatures as app

from strangler.auth import signatures as gateway

SECRET = "a secret that both sides know, long enough"
PARTS = ("POST", "/identities/revoke", gateway.body_digest(b"{}"))


def test_the_app_reads_a_stamp_of_the_gateway() -> None:
    value, nonce = gateway.stamp(SECRET.encode(), gateway.SESSION_CALL, PARTS, 1000)
    assert app.read_stamp(value, (SECRET,), app.SESSION_CALL, PARTS, 1010).nonce == nonce
    with pytest.raises(app.NotSigned):
        app.read_stamp(value, (SECRET,), app.REVOKE, PARTS, 1010)


def test_the_gateway_reads_a_stamp_of_the_app() -> None:
    value = app.stamp(SECRET, app.REVOKE, PARTS, 1000)
    assert gateway.is_stamped(value, SECRET.encode(), gateway.REVOKE, PARTS, 1060)
    for secret, purpose, parts, now in (
        (b"another secret", gateway.REVOKE, PARTS, 1000),
        (SECRET.encode(), gateway.SESSION_CALL, PARTS, 1000),
        (SECRET.encode(), gateway.REVOKE, PARTS[:2], 1000),
        (SECRET.encode(), gateway.REVOKE, PARTS, 1061),
        (SECRET.encode(), gateway.REVOKE, PARTS, 939),
    ):
        assert not gateway.is_stamped(value, secret, purpose, parts, now)
    assert not gateway.is_stamped("v1.1000.short.x", SECRET.encode(), gateway.REVOKE, PARTS, 1000)


def test_both_derive_the_same_key() -> None:
    assert gateway.derived_key(SECRET.encode(), "x") == app.derived_key(SECRET, "x")
