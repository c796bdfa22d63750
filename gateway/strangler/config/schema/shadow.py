"""`shadow:` of a migration and `store:` in the YAML: which requests are copied, and what is stored."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic_core import core_schema

from strangler.config.schema.field_types.http_syntax import HeaderName, Method
from strangler.config.schema.field_types.quantities import Duration, DurationOrZero, Size
from strangler.config.schema.field_types.scalars import Count, Flag, Number, OneOrMany, Whole
from strangler.config.schema.field_types.urls import StoreUrl
from strangler.config.schema.section import Section, Text
from strangler.model.shadow import Keep, Shadow
from strangler.model.snapshot import Store

_SHADOW = Shadow()


class OrNames:
    """Marks a section that may be written as its `names` alone, or as a single one."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        return core_schema.no_info_before_validator_function(_named, handler(source))

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        name = {"type": "string", "minLength": 1}
        return {"anyOf": [name, {"type": "array", "items": name}, handler(schema)]}


def _named(value: Any) -> Any:
    return {"names": value} if isinstance(value, (str, list)) else value


_KEEP = Keep()


class KeepSection(Section):
    """How long evidence is kept."""

    age: Duration = Field(default=_KEEP.age, description="The maximum age of counts and pairs; older ones are deleted.")
    size: Size = Field(
        default=_KEEP.size,
        description="The maximum size of all stored pairs of the migration; the oldest are deleted first.",
    )


class VersionSection(Section):
    """How a side reports its version; evidence about one version of both sides does not apply to another."""

    header: HeaderName = Field(
        description="The response header that holds the version. A new value on either side starts a new epoch.",
        examples=["X-Version"],
    )


class RedactSection(Section):
    """What is never stored of pairs, besides credentials. Names alone may be written as `redact: [email]`."""

    names: Annotated[list[Text], OneOrMany()] = Field(
        default=sorted(_SHADOW.redact.names),
        description="Names of fields (of JSON, forms, queries, headers) whose values are never stored, besides those of"
        " credentials, money, identity and health.",
        examples=[["email", "phone"]],
    )
    card_numbers: Flag = Field(
        default=_SHADOW.redact.card_numbers,
        description="Whether payment card numbers, recognised by digits, length and check digit, are redacted"
        " everywhere.",
    )


class ShadowSection(Section):
    """Copying requests to the other side, without the caller noticing, and comparing the responses."""

    percent: Annotated[Number, Field(ge=0, le=100)] = Field(
        default=_SHADOW.percent,
        description="The share of callers, or of requests, that is copied, in percent. Routes without enough pairs "
        "are copied whatever the share, unless it is 0.",
    )
    by: Literal["caller", "request"] = Field(
        default=_SHADOW.by,
        description="Whether the share is of callers, so that whole sessions are copied (callers are distinguished by"
        " `canary.sticky`, or by their address), or of single requests.",
    )
    methods: Annotated[list[Method], OneOrMany(), Field(min_length=1)] = Field(
        default=sorted(_SHADOW.methods),
        description="The methods that are copied. Default: GET, HEAD and OPTIONS; any other requires a `sandbox`.",
    )
    sandbox: Text | None = Field(
        default=None,
        description="The upstream for copies of requests that change data; it must not serve callers.",
    )
    reverse: Flag = Field(
        default=_SHADOW.reverse,
        description="Whether requests that the extracted side serves are also copied to legacy, in the stages `canary`"
        " and `extracted`: proof that going back is still safe. Only GET, HEAD and OPTIONS.",
    )
    request_body: Size = Field(
        default=_SHADOW.request_body, description="The maximum request body; requests with a longer one are not copied."
    )
    response_body: Size = Field(
        default=_SHADOW.response_body, description="The maximum response body; longer ones are not compared."
    )
    concurrency: Count = Field(
        default=_SHADOW.concurrency, description="The maximum number of concurrent copies of one worker."
    )
    queue: Annotated[Whole, Field(ge=0)] = Field(
        default=_SHADOW.queue,
        description="The maximum number of requests of one worker that wait to be copied; more are not copied.",
    )
    timeout: Duration = Field(
        default=_SHADOW.timeout, description="The deadline for a copy, from its connection to its last byte."
    )
    confirm_after: DurationOrZero = Field(
        default=_SHADOW.confirm_after,
        description="How long after a mismatch of a read both sides get the request again; only what still differs"
        " counts.",
    )
    noise_percent: Annotated[Number, Field(ge=0, le=100)] = Field(
        default=_SHADOW.noise_percent,
        description="The share of reads that are sent to both sides twice, to learn what varies in legacy's own"
        " responses, in percent; 0 disables it.",
    )
    noise_learning_percent: Annotated[Number, Field(ge=0, le=100)] = Field(
        default=_SHADOW.noise_learning_percent,
        description="The same share while it is unknown whether differences of an operation are noise: for at most 500"
        " requests per operation, and 2 % of those that follow. A value of `noise_percent` or less has no"
        " effect.",
    )
    store: Literal["digests", "values"] = Field(
        default=_SHADOW.store,
        description="What is stored of pairs: paths, kinds and digests, or the redacted values themselves.",
    )
    redact: Annotated[RedactSection, OrNames()] = Field(
        default=RedactSection(),
        description="What is never stored besides credentials: names of fields, or a mapping with `names` and more.",
        examples=[["email", "phone"]],
    )
    keep: KeepSection = Field(default=KeepSection(), description="How long evidence is kept.")
    conditions: Literal["strip", "keep"] = Field(
        default=_SHADOW.conditions,
        description="Whether copies lose `If-Match`, `If-None-Match`, `If-Modified-Since`, `If-Unmodified-Since`, "
        "`If-Range` and `Range` (`strip`), so that both sides send whole responses, or keep them.",
    )
    version: VersionSection | None = Field(
        default=None,
        description="How both sides report their version. Without it, only a change of the configuration starts a new"
        " epoch.",
    )
    least_compared: Annotated[Number, Field(ge=0, le=100)] = Field(
        default=_SHADOW.least_compared,
        description="The share of the sampled requests, in percent, that must have been compared before anything is "
        "proven.",
    )


class StoreSection(Section):
    """The database for what must survive a restart of the gateway."""

    url: StoreUrl = Field(
        default=Store().url,
        description="A SQLite file, or a PostgreSQL database that several machines share.",
    )
