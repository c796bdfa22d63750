"""Issuers of tokens, and what a route requires of a caller."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from strangler.model.yaml_place import YamlPlace


@dataclass(frozen=True, slots=True)
class SessionSource:
    """Where a worker asks who a login session belongs to: an upstream that runs Django with django-strangler.

    `cookie` names the session cookie, `path` the app's endpoint. A result is
    remembered for `ttl` seconds, a request waits for `timeout` seconds. Each
    worker makes at most `calls` calls at a time and `calls_per_second`.
    """

    upstream: str
    secret: bytes = field(repr=False)
    cookie: str = "sessionid"
    path: str = "/.strangler/session"
    ttl: float = 60.0
    timeout: float = 2.0
    calls: int = 16
    calls_per_second: int = 200

    @property
    def name(self) -> str:
        """The name of these calls in events and metrics."""
        return f"sessions of {self.upstream}"


@dataclass(frozen=True, slots=True)
class Provider:
    """Who issues tokens and how they are verified, or who knows login sessions.

    Exactly one of `jwks_file`, `jwks_url`, `discovery_url`, `secret` and `session` is set:
    the key set's file, its URL, the OpenID discovery document's URL, the
    shared secret of HS algorithms, or where sessions are asked for. `issuer` and `audiences` are None where a
    token of an own secret need not name its issuer and audience. `claims` are
    those that every token must have, with their values.
    """

    name: str
    issuer: str | None
    audiences: tuple[str, ...] | None
    algorithms: tuple[str, ...]
    jwks_file: str | None = None
    jwks_url: str | None = None
    discovery_url: str | None = None
    secret: bytes | None = field(default=None, repr=False)
    session: SessionSource | None = None
    leeway: float = 10.0
    refresh: float = 600.0
    timeout: float = 5.0
    refetch_floor: float = 10.0
    token_bytes: int = 8192
    remembered: int = 10_000
    forward_token: bool = False
    subject_claim: str = "sub"
    audience_claim: str = "aud"
    scopes_claim: tuple[str, ...] = ("scope", "scp")
    claims: tuple[tuple[str, str], ...] = ()
    source: YamlPlace | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class TokenPlace:
    """Where a browser, which can't set Authorization on a WebSocket, may put its token instead.

    `query` is the parameter `name`; the others are entries of
    Sec-WebSocket-Protocol: `subprotocol` is `name.TOKEN`, `subprotocol-pair` is
    the entry after `name`, and `kubernetes` is `name.TOKEN` with the token in
    base64url, as the API server of Kubernetes takes it.
    """

    kind: Literal["query", "subprotocol", "subprotocol-pair", "kubernetes"]
    name: str


@dataclass(frozen=True, slots=True)
class AuthRequirement:
    """What a route requires of a caller's token and client certificate; at least one of the two.

    One of `providers` must have issued the token; empty if no token is required.
    If `required` is false, a caller without a token or certificate is let
    through as anonymous, also one who authenticates in another way (Basic); a
    bearer token that is present must still be valid. `certificate` are names and
    values that the client certificate must contain, of several values one; empty
    for any certificate, None if none is required. `upgrade_token` are other
    places for the token of an upgrade request.
    """

    providers: tuple[str, ...] = ()
    required: bool = True
    scopes: frozenset[str] = frozenset()
    claims: tuple[tuple[str, str], ...] = ()
    certificate: tuple[tuple[str, tuple[str, ...]], ...] | None = None
    upgrade_token: tuple[TokenPlace, ...] = ()
