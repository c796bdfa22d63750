"""Messages between the gateway and the monolith, signed with a shared secret.

A signature is HMAC-SHA256 over `strangler v1`, a purpose and the parts, each with its length before it, so that no
two lists of parts have the same signature and no signature serves two purposes. A *stamp* is a signature with its
Unix time and a nonce, as a header carries it: `v1.TIME.NONCE.SIGNATURE`. Several secrets may be valid at a time: the
first signs, all verify, so that a secret can be replaced without an interruption.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

SESSION_CALL = "session call"
"""The gateway asks who a session belongs to. Parts: method, path, SHA-256 of the body."""
ASK = "ask"
"""The gateway asks for the route of its requests. No parts: one stamp serves many requests."""
ROUTE = "route"
"""The app names the route. Parts: the ask's nonce, method, path, route."""
SHADOW = "shadow"
"""The request is a shadow copy. Parts: method, path with query, SHA-256 of the body."""
GUARDED = "guarded"
"""The app confirms that it undid a shadow copy. Parts: the shadow's nonce, status, what was blocked."""
REVOKE = "revoke"
"""The app asks the gateway to forget identities. Parts: method, path, SHA-256 of the body."""

STAMP_SECONDS = 60
"""A stamp is valid this long before and after its time."""

_STAMP = re.compile(r"v1\.(\d{1,12})\.([A-Za-z0-9_-]{16,64})\.([A-Za-z0-9_-]{43})")


class NotSigned(Exception):
    """A message is not signed by a known secret, or at another time; the text names which, and no secret."""


@dataclass(frozen=True)
class Stamp:
    """A verified stamp: its Unix time, its nonce, and the secret that signed it, which signs the response."""

    at: int
    nonce: str
    secret: str = field(repr=False)


def signature(secret: str, purpose: str, parts: Sequence[str | bytes]) -> str:
    """The signature of `parts` for `purpose`, in base64url without padding."""
    message = hmac.new(secret.encode(), b"strangler v1", hashlib.sha256)
    for part in (purpose, *parts):
        data = part.encode() if isinstance(part, str) else part
        message.update(b"%d:%b" % (len(data), data))
    return base64.urlsafe_b64encode(message.digest()).rstrip(b"=").decode()


def signer(given: str, secrets_: Sequence[str], purpose: str, parts: Sequence[str | bytes]) -> str | None:
    """The one of `secrets_` that signed `parts` as `given`, None if none did; compared in constant time."""
    return next((secret for secret in secrets_ if hmac.compare_digest(given, signature(secret, purpose, parts))), None)


def stamp(secret: str, purpose: str, parts: Sequence[str | bytes], at: float, nonce: str | None = None) -> str:
    """A header value that signs `parts` at the Unix time `at`; the nonce is random unless given."""
    nonce = nonce or secrets.token_urlsafe(18)
    time = str(int(at))
    return f"v1.{time}.{nonce}.{signature(secret, purpose, (time, nonce, *parts))}"


def read_stamp(value: str, secrets_: Sequence[str], purpose: str, parts: Sequence[str | bytes], now: float) -> Stamp:
    """The stamp in the header `value`, verified. Raises NotSigned."""
    fields = _STAMP.fullmatch(value)
    if fields is None:
        raise NotSigned("the signature is malformed")
    at, nonce, given = fields.groups()
    secret = signer(given, secrets_, purpose, (at, nonce, *parts))
    if secret is None:
        raise NotSigned("the signature is wrong: do both sides have the same secret?")
    if abs(now - int(at)) > STAMP_SECONDS:
        raise NotSigned("the signature's time is past or future: do both clocks agree?")
    return Stamp(int(at), nonce, secret)


def body_digest(body: bytes) -> str:
    """How a signature names a body: SHA-256 in hexadecimal digits."""
    return hashlib.sha256(body).hexdigest()


def derived_key(secret: str, use: str) -> bytes:
    """A key of its own for `use`, so that a token's key signs nothing else."""
    return hmac.new(secret.encode(), b"strangler v1 key " + use.encode(), hashlib.sha256).digest()
