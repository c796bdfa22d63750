"""Messages between the gateway and a Django project with django-strangler, signed with a shared secret.

A signature is HMAC-SHA256 over `strangler v1`, a purpose and the parts, each
with its length before it. A stamp is a signature with its Unix time and a
nonce, as a header carries it: `v1.TIME.NONCE.SIGNATURE`. The other side is
`django_strangler.signatures`; a test holds the two against each other.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence

SESSION_CALL = "session call"
"""The gateway asks who a session belongs to. Parts: method, path, SHA-256 of the body."""
REVOKE = "revoke"
"""The app asks the gateway to forget identities. Parts: method, path, SHA-256 of the body."""
CALL_HEADER = "X-Strangler-Call"
STAMP_SECONDS = 60
"""A stamp is valid for this long before and after its time."""

_STAMP = re.compile(r"v1\.(\d{1,12})\.([A-Za-z0-9_-]{16,64})\.([A-Za-z0-9_-]{43})")


def signature(secret: bytes, purpose: str, parts: Sequence[str]) -> str:
    """The signature of `parts` for `purpose`, in base64url without padding."""
    message = hmac.new(secret, b"strangler v1", hashlib.sha256)
    for part in (purpose, *parts):
        data = part.encode()
        message.update(b"%d:%b" % (len(data), data))
    return base64.urlsafe_b64encode(message.digest()).rstrip(b"=").decode()


def stamp(secret: bytes, purpose: str, parts: Sequence[str], at: float) -> tuple[str, str]:
    """A header value that signs `parts` at the Unix time `at`, and its nonce."""
    time, nonce = str(int(at)), secrets.token_urlsafe(18)
    return f"v1.{time}.{nonce}.{signature(secret, purpose, (time, nonce, *parts))}", nonce


def is_stamped(value: str, secret: bytes, purpose: str, parts: Sequence[str], now: float) -> bool:
    """Whether the header `value` is a stamp on `parts` by `secret`, of this minute."""
    fields = _STAMP.fullmatch(value)
    if fields is None:
        return False
    time, nonce, given = fields.groups()
    expected = signature(secret, purpose, (time, nonce, *parts))
    return hmac.compare_digest(given, expected) and abs(now - int(time)) <= STAMP_SECONDS


def body_digest(body: bytes) -> str:
    """How a signature names a body: SHA-256 in hexadecimal digits."""
    return hashlib.sha256(body).hexdigest()


def derived_key(secret: bytes, use: str) -> bytes:
    """A key of its own for `use`, so that a token's key signs nothing else."""
    return hmac.new(secret, b"strangler v1 key " + use.encode(), hashlib.sha256).digest()
