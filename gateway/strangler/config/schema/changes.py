"""`headers`, `cors` and `rewrite` of routes in the YAML: what is changed on the way."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from strangler.config.schema.field_types.http_syntax import HeaderName, HeaderValue, Method, Origin
from strangler.config.schema.field_types.quantities import Duration
from strangler.config.schema.field_types.scalars import Flag, OneOrMany
from strangler.config.schema.section import Section, Text
from strangler.model.changes import Cors

_CORS = Cors()


class FieldChangesSection(Section):
    """Header fields to remove, then fields to set and to add."""

    set: dict[HeaderName, HeaderValue] = Field(
        default={}, description="Fields to set, replacing fields of the same name."
    )
    add: dict[HeaderName, HeaderValue] = Field(
        default={}, description="Fields to add, keeping fields of the same name."
    )
    remove: Annotated[list[HeaderName], OneOrMany()] = Field(default=[], description="Fields to remove.")


class HeaderChangesSection(Section):
    """Changes to the header fields of requests and responses."""

    request: FieldChangesSection = Field(
        default=FieldChangesSection(), description="Changes to requests, as the upstream receives them."
    )
    response: FieldChangesSection = Field(
        default=FieldChangesSection(), description="Changes to responses, as the client receives them."
    )


class CorsSection(Section):
    """Which pages of other origins may send requests; the gateway responds to their preflights."""

    origins: Annotated[list[Origin], OneOrMany(), Field(min_length=1)] = Field(
        description="The allowed origins, such as `https://app.example` or `capacitor://localhost`;"
        ' `https://*.app.example` is every subdomain, `*` every origin, `"null"` pages without an origin.'
    )
    methods: Annotated[list[Method], OneOrMany(), Field(min_length=1)] | None = Field(
        default=None, description="The allowed methods. Default: those of `match`."
    )
    headers: Annotated[list[HeaderName], OneOrMany()] = Field(
        default=[], description="The allowed request headers besides the safelisted ones; `*` allows all."
    )
    expose: Annotated[list[HeaderName], OneOrMany()] = Field(
        default=[], description="The response headers that a page may read besides the safelisted ones."
    )
    credentials: Flag = Field(default=_CORS.credentials, description="Whether requests may carry cookies.")
    max_age: Duration = Field(
        default=float(_CORS.max_age), description="How long a browser may cache the response to a preflight."
    )


class RewriteSection(Section):
    """The path that the upstream gets in place of the client's; in a migration, the extracted side only."""

    strip_prefix: Text | None = Field(
        default=None, description="The prefix to remove from the path.", examples=["/shop"]
    )
    add_prefix: Text | None = Field(default=None, description="The prefix to add then.", examples=["/v2"])
    path: Text | None = Field(
        default=None,
        description="The whole new path, using `{name}` and `**` of `match.path`.",
        examples=["/items/{id}/**"],
    )
    cookie_domains: dict[Text, Text] = Field(
        default={}, description="A mapping from domains of the upstream's cookies to those that clients get instead."
    )

    @model_validator(mode="after")
    def _something(self) -> RewriteSection:
        if not self.model_fields_set:
            raise ValueError("rewrites nothing: set strip_prefix, add_prefix or path")
        if self.path is not None and (self.strip_prefix is not None or self.add_prefix is not None):
            raise ValueError("path replaces the whole path, so it excludes strip_prefix and add_prefix")
        return self
