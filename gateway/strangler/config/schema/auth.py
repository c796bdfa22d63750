"""`auth:` in the YAML: who may issue tokens, and what a route asks of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from strangler.config.schema.field_types.callers import CertificateName, Scope, UpgradeToken
from strangler.config.schema.field_types.quantities import Duration, DurationOrZero, Size
from strangler.config.schema.field_types.scalars import Flag, Name, OneOrMany, Whole
from strangler.config.schema.section import Section, Text
from strangler.model.auth import Provider

_PROVIDER = Provider("", "", ("",), ())

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


class ProviderSection(Section):
    """Who issues tokens, and how they are verified."""

    issuer: Text | None = Field(
        default=None, description="The `iss` that tokens must have, character for character. Needed, unless unchecked."
    )
    audience: Annotated[list[Text], OneOrMany(), Field(min_length=1)] | None = Field(
        default=None,
        description="The `aud` that tokens must have; of several, one is enough. Needed, unless unchecked.",
        examples=["shop"],
    )
    unchecked: list[Literal["issuer", "audience"]] = Field(
        default=[],
        description="Which of `issuer` and `audience` is left out, because tokens do not have the claim. For tokens of"
        " an own `secret` alone: a key set also signs tokens that are meant for others.",
    )
    subject_claim: Text = Field(
        default=_PROVIDER.subject_claim,
        description="The claim that names the caller; a number becomes text. Dots reach into objects.",
        examples=["user_id"],
    )
    audience_claim: Text = Field(
        default=_PROVIDER.audience_claim,
        description="The claim that `audience` is compared with, where it is not `aud`.",
        examples=["client_id"],
    )
    scopes_claim: Annotated[list[Text], OneOrMany(), Field(min_length=1)] = Field(
        default=list(_PROVIDER.scopes_claim),
        description="The claims that hold scopes, roles or permissions: a text with spaces between them, or a list."
        " Those of all claims count; `scope` and `scp` unless given. Dots reach into objects.",
        examples=[["scope", "realm_access.roles"]],
    )
    claims: dict[Text, str] = Field(
        default={},
        description="Claims that every token must have with this value, such as `token_type: access` where the same"
        " key also signs refresh tokens.",
    )
    algorithms: Annotated[list[Algorithm], Field(min_length=1)] = Field(
        description="The signature algorithms that are accepted. HS algorithms need `secret`, all others a key set."
    )
    jwks: Text | None = Field(
        default=None,
        description="The key set: a file, relative to this one, or an https URL (http for this "
        "machine alone). Exactly one of `jwks`, `discovery` and `secret` is given.",
        examples=["dev/jwks.json", "https://id.shop.example/.well-known/jwks.json"],
    )
    discovery: Flag | None = Field(
        default=None,
        description="Whether to find the key set by the issuer's `/.well-known/openid-configuration`.",
    )
    secret: Text | None = Field(
        default=None,
        description="The shared secret of HS algorithms: `${NAME}` from the environment or `file:PATH`, "
        "never the secret itself. At least as long as the hash (32 bytes for HS256).",
        examples=["${SHOP_SECRET}", "file:/run/secrets/shop"],
    )
    leeway: DurationOrZero = Field(
        default=_PROVIDER.leeway,
        description="How far the issuer's clock may be off when `exp` and `nbf` are checked.",
    )
    refresh: Duration = Field(default=_PROVIDER.refresh, description="How often the key set is fetched again.")
    timeout: Duration = Field(default=_PROVIDER.timeout, description="How long fetching the key set may take.")
    refetch_floor: Duration = Field(
        default=_PROVIDER.refetch_floor,
        description="The shortest time between two fetches for a token whose `kid` is unknown.",
    )
    token_bytes: Size = Field(default=_PROVIDER.token_bytes, description="The longest token that is looked at.")
    remembered: Annotated[Whole, Field(ge=0)] = Field(
        default=_PROVIDER.remembered, description="How many verified tokens each worker remembers."
    )
    forward_token: Flag = Field(
        default=_PROVIDER.forward_token, description="Whether upstreams see the Authorization header as well."
    )


class AuthSection(Section):
    """Who may issue tokens."""

    providers: dict[Name, ProviderSection] = Field(default={}, description="The providers, by name.")


class RequirementSection(Section):
    """What is asked of a caller: a token, a client certificate, or both."""

    provider: Annotated[list[Text], OneOrMany()] = Field(
        default=[],
        description="The provider whose tokens count, or several, as during a change of the identity provider. Needed"
        " unless `certificate` is given.",
        examples=["shop", ["old", "new"]],
    )
    required: Flag = Field(
        default=True,
        description="Whether a token or certificate must be there. One that is there must be valid in any case. Where"
        " it is false, Authorization of another scheme (Basic) is passed on, and its caller is anonymous here.",
    )
    scopes: Annotated[list[Scope], OneOrMany()] = Field(
        default=[], description="Scopes of which the token must have all."
    )
    claims: dict[Text, str] = Field(
        default={}, description="Claims that must have the value, or hold it where they are lists."
    )
    certificate: dict[CertificateName, Annotated[list[Text], OneOrMany(), Field(min_length=1)]] | None = Field(
        default=None,
        description="What the client certificate must hold: its `subject` (RFC 4514), or one of its alternative"
        " names, `dns` or `uri`; of several values one is enough. `{}` takes any certificate of `tls.client_ca`.",
        examples=[{"uri": "spiffe://shop.example/device-7"}],
    )
    upgrade_token: Annotated[list[UpgradeToken], OneOrMany()] = Field(
        default=[],
        description="Where else the token of a WebSocket handshake may stand, as browsers can't set Authorization"
        " there. It is not forwarded.",
    )

    @model_validator(mode="after")
    def _something(self) -> RequirementSection:
        if not self.provider:
            if self.certificate is None:
                raise ValueError("asks for nothing: give a provider, or a certificate")
            for field in ("scopes", "claims", "upgrade_token"):
                if getattr(self, field):
                    raise ValueError(f"'{field}' is about a token: give the provider whose tokens count")
        return self
