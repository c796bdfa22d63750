"""`auth:` in the YAML: issuers of tokens, and what a route requires of callers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from strangler.config.schema.field_types.callers import CertificateName, Scope, UpgradeToken
from strangler.config.schema.field_types.quantities import Duration, DurationOrZero, Size
from strangler.config.schema.field_types.scalars import Flag, Name, OneOrMany, Whole
from strangler.config.schema.section import Section, Text
from strangler.model.auth import Provider, SessionSource

_PROVIDER = Provider("", "", ("",), ())
_SESSION = SessionSource("", b"")

Algorithm = Literal[
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "Ed25519",
    "Ed448",
    "HS256",
    "HS384",
    "HS512",
]


class DjangoSessionSection(Section):
    """Login sessions of a Django project with the app django-strangler, for requests without a token."""

    upstream: Text = Field(description="The upstream that is asked who a session belongs to.", examples=["monolith"])
    secret: Text = Field(
        description='The secret that the project has in `STRANGLER["SECRETS"]`: `${NAME}` from the environment or'
        " `file:PATH`, never the secret itself; at least 32 bytes.",
        examples=["${STRANGLER_SECRET}", "file:/run/secrets/strangler"],
    )
    cookie: Text = Field(default=_SESSION.cookie, description="The project's `SESSION_COOKIE_NAME`.")
    path: Text = Field(default=_SESSION.path, description='The project\'s `STRANGLER["SESSION_PATH"]`.')
    ttl: Duration = Field(
        default=_SESSION.ttl,
        description="How long a result is remembered. The project reports logouts and changed passwords at once if it"
        ' names this gateway in `STRANGLER["GATEWAYS"]`; else they count after this time.',
    )
    timeout: Duration = Field(
        default=_SESSION.timeout,
        description="How long a request waits for a result. After that it is refused where a caller is required, and"
        " anonymous elsewhere.",
    )
    calls: Annotated[Whole, Field(ge=1)] = Field(
        default=_SESSION.calls, description="The maximum number of calls of a worker at a time."
    )
    calls_per_second: Annotated[Whole, Field(ge=1)] = Field(
        default=_SESSION.calls_per_second,
        description="The maximum number of calls of a worker per second, so that made-up cookies can't overload the"
        " project.",
    )


class ProviderSection(Section):
    """An issuer of tokens and how its tokens are verified, or a project that knows login sessions."""

    django_session: DjangoSessionSection | None = Field(
        default=None,
        description="Identify callers by their login session at a Django project. No other field but `remembered` and"
        " `leeway` applies then.",
    )

    issuer: Text | None = Field(
        default=None,
        description="The `iss` that tokens must have, compared character by character. Required unless unchecked.",
    )
    audience: Annotated[list[Text], OneOrMany(), Field(min_length=1)] | None = Field(
        default=None,
        description="The `aud` that tokens must have; of several, one is enough. Required unless unchecked.",
        examples=["shop"],
    )
    unchecked: list[Literal["issuer", "audience"]] = Field(
        default=[],
        description="Which of `issuer` and `audience` are not checked, because tokens lack the claim. Only with"
        " `secret`: a key set also signs tokens for other audiences.",
    )
    subject_claim: Text = Field(
        default=_PROVIDER.subject_claim,
        description="The claim that identifies the caller; a number is converted to text. Dots reach into objects.",
        examples=["user_id"],
    )
    audience_claim: Text = Field(
        default=_PROVIDER.audience_claim,
        description="The claim that `audience` is compared with, where it is not `aud`.",
        examples=["client_id"],
    )
    scopes_claim: Annotated[list[Text], OneOrMany(), Field(min_length=1)] = Field(
        default=list(_PROVIDER.scopes_claim),
        description="The claims that hold scopes, roles or permissions, as a text separated by spaces or as a list. The"
        " values of all these claims are combined. Default: `scope` and `scp`. Dots reach into objects.",
        examples=[["scope", "realm_access.roles"]],
    )
    claims: dict[Text, str] = Field(
        default={},
        description="Claims that every token must have with this value, such as `token_type: access` where the same"
        " key also signs refresh tokens.",
    )
    algorithms: Annotated[list[Algorithm], Field(min_length=1)] = Field(
        default=[],
        description="The accepted signature algorithms, at least one. HS algorithms require `secret`, all others a key"
        " set.",
    )
    jwks: Text | None = Field(
        default=None,
        description="The key set: a file, relative to this one, or an https URL (http only on loopback). Exactly one of"
        " `jwks`, `discovery` and `secret` must be set.",
        examples=["dev/jwks.json", "https://id.shop.example/.well-known/jwks.json"],
    )
    discovery: Flag | None = Field(
        default=None,
        description="Whether to find the key set through the issuer's `/.well-known/openid-configuration`.",
    )
    secret: Text | None = Field(
        default=None,
        description="The shared secret of HS algorithms: `${NAME}` from the environment or `file:PATH`, never the"
        " secret itself. It must be at least as long as the hash (32 bytes for HS256).",
        examples=["${SHOP_SECRET}", "file:/run/secrets/shop"],
    )
    leeway: DurationOrZero = Field(
        default=_PROVIDER.leeway,
        description="How much the issuer's clock may differ when `exp` and `nbf` are checked.",
    )
    refresh: Duration = Field(default=_PROVIDER.refresh, description="The interval between fetches of the key set.")
    timeout: Duration = Field(default=_PROVIDER.timeout, description="The deadline for fetching the key set.")
    refetch_floor: Duration = Field(
        default=_PROVIDER.refetch_floor,
        description="The minimum time between two fetches that a token with an unknown `kid` triggers.",
    )
    token_bytes: Size = Field(
        default=_PROVIDER.token_bytes, description="The maximum size of a token; a longer one is refused."
    )
    remembered: Annotated[Whole, Field(ge=0)] = Field(
        default=_PROVIDER.remembered,
        description="How many verified tokens each worker caches at least.",
    )
    forward_token: Flag = Field(
        default=_PROVIDER.forward_token, description="Whether the Authorization header is forwarded to upstreams, too."
    )


class AuthSection(Section):
    """The issuers of tokens that are accepted."""

    providers: dict[Name, ProviderSection] = Field(default={}, description="The providers, by name.")


class RequirementSection(Section):
    """What a caller must present: a token, a client certificate, or both."""

    provider: Annotated[list[Text], OneOrMany()] = Field(
        default=[],
        description="The provider whose tokens are accepted, or several, for example while changing the identity"
        " provider. Required unless `certificate` is set.",
        examples=["shop", ["old", "new"]],
    )
    required: Flag = Field(
        default=True,
        description="Whether a token or certificate is required. A token or certificate that is"
        " present must always be valid. If false,"
        " Authorization of another scheme (Basic) is forwarded, and its caller is anonymous to the"
        " gateway.",
    )
    scopes: Annotated[list[Scope], OneOrMany()] = Field(
        default=[], description="Scopes that the token must have, all of them."
    )
    claims: dict[Text, str] = Field(
        default={}, description="Claims that must have this value, or contain it if they are lists."
    )
    certificate: dict[CertificateName, Annotated[list[Text], OneOrMany(), Field(min_length=1)]] | None = Field(
        default=None,
        description="What the client certificate must contain: its `subject` (RFC 4514), or one of its alternative"
        " names, `dns` or `uri`; of several values one is enough. `{}` accepts any certificate issued by"
        " `tls.client_ca`.",
        examples=[{"uri": "spiffe://shop.example/device-7"}],
    )
    upgrade_token: Annotated[list[UpgradeToken], OneOrMany()] = Field(
        default=[],
        description="Other places in which the token of a WebSocket handshake may be, since browsers can't set"
        " Authorization there. It is not forwarded.",
    )

    @model_validator(mode="after")
    def _something(self) -> RequirementSection:
        if not self.provider:
            if self.certificate is None:
                raise ValueError("requires nothing: set a provider or a certificate")
            for field in ("scopes", "claims", "upgrade_token"):
                if getattr(self, field):
                    raise ValueError(f"'{field}' applies to tokens: set the provider that issues them")
        return self
