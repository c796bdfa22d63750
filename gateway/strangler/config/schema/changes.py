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
    """Header fields that are taken off, then those that are put on."""

    set: dict[HeaderName, HeaderValue] = Field(default={}, description="Fields that replace those of their name.")
    add: dict[HeaderName, HeaderValue] = Field(default={}, description="Fields that come beside those of their name.")
    remove: Annotated[list[HeaderName], OneOrMany()] = Field(default=[], description="Fields that are taken off.")


class HeaderChangesSection(Section):
    """Header fields of requests and responses that are changed on the way."""

    request: FieldChangesSection = Field(default=FieldChangesSection(), description="Of requests, for the upstream.")
    response: FieldChangesSection = Field(default=FieldChangesSection(), description="Of responses, for the client.")


class CorsSection(Section):
    """Which pages of other origins may ask; the gateway answers their preflights."""

    origins: Annotated[list[Origin], OneOrMany(), Field(min_length=1)] = Field(
        description="The origins, as `https://app.example` or `capacitor://localhost`; `https://*.app.example` is every"
        ' name below it, `*` any, `"null"` pages without one.'
    )
    methods: Annotated[list[Method], OneOrMany(), Field(min_length=1)] | None = Field(
        default=None, description="The methods that may be asked with; those of `match` unless given."
    )
    headers: Annotated[list[HeaderName], OneOrMany()] = Field(
        default=[], description="Request headers that may be sent beside the simple ones; `*` allows any."
    )
    expose: Annotated[list[HeaderName], OneOrMany()] = Field(
        default=[], description="Response headers that a page may read beside the simple ones."
    )
    credentials: Flag = Field(default=_CORS.credentials, description="Whether cookies may come along.")
    max_age: Duration = Field(
        default=float(_CORS.max_age), description="How long a browser may remember the answer to a preflight."
    )


class RewriteSection(Section):
    """The path that the upstream sees, where it is not the client's; in a migration, the extracted side alone."""

    strip_prefix: Text | None = Field(default=None, description="Taken off the front of the path.", examples=["/shop"])
    add_prefix: Text | None = Field(default=None, description="Put before the path then.", examples=["/v2"])
    path: Text | None = Field(
        default=None,
        description="The whole path instead, with the `{name}` and `**` of `match.path`.",
        examples=["/items/{id}/**"],
    )
    cookie_domains: dict[Text, Text] = Field(
        default={}, description="Domains of the upstream's cookies, and those that clients get instead."
    )

    @model_validator(mode="after")
    def _something(self) -> RewriteSection:
        if not self.model_fields_set:
            raise ValueError("rewrites nothing: give strip_prefix, add_prefix or path")
        if self.path is not None and (self.strip_prefix is not None or self.add_prefix is not None):
            raise ValueError("path is the whole path, so strip_prefix and add_prefix can't stand beside it")
        return self
