"""`compare:` in the YAML: what is compared of two responses, and which differences are accepted."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, PlainValidator, WithJsonSchema, model_validator
from typing_extensions import TypeAliasType

from strangler.config.schema.compare_values import (
    parse_cookie,
    parse_day,
    parse_json_path,
    parse_regex,
    parse_selector,
    parse_statuses,
    parse_tolerance,
)
from strangler.config.schema.field_types.http_syntax import HeaderName
from strangler.config.schema.field_types.quantities import Duration, DurationOrZero, Size
from strangler.config.schema.field_types.scalars import Count, Flag, Number, OneOrMany
from strangler.config.schema.section import Section, Text

Ignored = Literal["all", "missing", "extra", "type", "value", "order", "length", "number form", "redacted"]
RiskName = Literal["high", "medium", "low"]

JsonPath = TypeAliasType(
    "JsonPath",
    Annotated[
        str,
        PlainValidator(parse_json_path),
        WithJsonSchema(
            {
                "type": "string",
                "pattern": r"^\$",
                "description": "A JSONPath (RFC 9535).",
                "examples": ["$.items[*].price", "$..request_id"],
            }
        ),
    ],
)
Selector = TypeAliasType(
    "Selector",
    Annotated[
        str,
        PlainValidator(parse_selector),
        WithJsonSchema(
            {
                "type": "string",
                "description": "A CSS selector for elements, optionally followed by a space and `@NAME` for an"
                " attribute of theirs, or `text()` for their text.",
                "examples": ["footer", "input[name=token] @value", "#made text()"],
            }
        ),
    ],
)
Cookie = TypeAliasType(
    "Cookie",
    Annotated[
        str,
        PlainValidator(parse_cookie),
        WithJsonSchema(
            {
                "type": "string",
                "description": "A cookie's name, or `*` for every cookie, optionally followed by a space and `@NAME`"
                " for an attribute.",
                "examples": ["theme", "theme @path", "* @expires"],
            }
        ),
    ],
)
Statuses = TypeAliasType(
    "Statuses",
    Annotated[
        str,
        PlainValidator(parse_statuses),
        WithJsonSchema(
            {
                "type": "string",
                "pattern": "^[1-5][0-9]{2}/[1-5][0-9]{2}$",
                "description": "The legacy side's status and the extracted side's.",
                "examples": ["400/422"],
            }
        ),
    ],
)
Regex = TypeAliasType(
    "Regex", Annotated[str, PlainValidator(parse_regex), WithJsonSchema({"type": "string", "format": "regex"})]
)
Tolerance = TypeAliasType(
    "Tolerance",
    Annotated[
        str,
        PlainValidator(parse_tolerance),
        WithJsonSchema(
            {
                "anyOf": [
                    {"type": "number", "minimum": 0},
                    {"type": "string", "pattern": r"^[0-9.]+([eE][-+]?[0-9]+)?%?$"},
                ],
                "description": "How much two numbers may differ: a number, or a percentage of the larger one.",
                "examples": [0.01, "1%"],
            }
        ),
    ],
)
Day = TypeAliasType(
    "Day", Annotated[date, PlainValidator(parse_day), WithJsonSchema({"type": "string", "format": "date"})]
)

_TARGETS = ("json", "html", "header", "cookie", "line", "status", "body")
_TREATMENTS = (
    "ignore",
    "tolerance",
    "time_tolerance",
    "regex",
    "mask",
    "uuid",
    "null_equals_missing",
    "unordered",
    "key",
)


class RuleSection(Section):
    """Differences that are accepted: where they are, and how large they may be."""

    name: Text = Field(
        description="The name; reports show it beside the differences that it accepts.",
        examples=["legacy rounds VAT wrongly"],
    )
    json_: Annotated[list[JsonPath], OneOrMany(), Field(min_length=1)] | None = Field(
        default=None, alias="json", description="Applies to values in JSON bodies."
    )
    html: Annotated[list[Selector], OneOrMany(), Field(min_length=1)] | None = Field(
        default=None, description="Applies to elements, attributes or texts in HTML bodies."
    )
    header: Annotated[list[HeaderName], OneOrMany(), Field(min_length=1)] | None = Field(
        default=None, description="Applies to headers."
    )
    cookie: Annotated[list[Cookie], OneOrMany(), Field(min_length=1)] | None = Field(
        default=None, description="Applies to cookies in Set-Cookie, or to their attributes."
    )
    line: Annotated[list[Regex], OneOrMany(), Field(min_length=1)] | None = Field(
        default=None, description="Applies to lines of text bodies that contain a match of this."
    )
    status: Annotated[list[Statuses], OneOrMany(), Field(min_length=1)] | None = Field(
        default=None, description="Applies to the two sides' statuses."
    )
    body: Literal[True] | None = Field(default=None, description="Applies to the whole body, of any type.")
    ignore: Annotated[list[Ignored], OneOrMany(), Field(min_length=1)] | None = Field(
        default=None,
        description="Accepts differences of these kinds, there and below; `redacted` are values that are equal except"
        " for what is redacted in them.",
    )
    tolerance: Tolerance | None = Field(default=None, description="Accepts numbers that differ by no more than this.")
    time_tolerance: DurationOrZero | None = Field(
        default=None, description="Accepts times that differ by no more than this, whatever their zone or format."
    )
    regex: Regex | None = Field(default=None, description="Accepts two texts that both match this as a whole.")
    mask: Regex | None = Field(
        default=None, description="Accepts two texts that are equal except for the parts that match this."
    )
    uuid: Literal[True] | None = Field(default=None, description="Accepts any two UUIDs.")
    null_equals_missing: Literal[True] | None = Field(
        default=None, description="Accepts null on one side if the other side has no value."
    )
    unordered: Literal[True] | None = Field(
        default=None,
        description="Compares the elements of a list in any order; how often each occurs counts.",
    )
    key: Text | None = Field(
        default=None,
        description="Compares objects of a list in any order, matching those that are equal in this field.",
        examples=["id"],
    )
    lag: Annotated[Duration, Field(le=60)] | None = Field(
        default=None,
        description="How far the extracted side may be behind legacy, 60 s at most: accepts a response that legacy gave"
        " shortly before, if the extracted side has caught up after this time. Excludes all other keys but"
        " `name`, `owner` and `expires`.",
        examples=["2s"],
    )
    owner: Text | None = Field(default=None, description="Who is responsible for accepting this difference.")
    expires: Day | None = Field(
        default=None, description="The last day on which the rule applies.", examples=["2027-03-31"]
    )

    @model_validator(mode="after")
    def _one_place_and_one_treatment(self) -> RuleSection:
        given = {field.removesuffix("_") if field == "json_" else field for field in self.model_fields_set}
        targets = [target for target in _TARGETS if target in given]
        treatments = [treatment for treatment in _TREATMENTS if treatment in given]
        if "lag" in given:
            if targets or treatments:
                raise ValueError(f"'lag' excludes everything else: remove {', '.join([*targets, *treatments])}")
            return self
        if not targets:
            raise ValueError(f"does not say where it applies: set one of {', '.join(_TARGETS)}")
        if len(treatments) != 1:
            said = f"sets {' and '.join(treatments)}" if treatments else "accepts nothing"
            raise ValueError(f"{said}: set one of {', '.join(_TREATMENTS)}")
        treatment = treatments[0]
        for target in targets:
            if treatment not in _FITTING[target]:
                raise ValueError(f"'{treatment}' can't be used with '{target}'")
        return self


_FITTING = {
    "json": _TREATMENTS,
    "html": ("ignore", "tolerance", "time_tolerance", "regex", "mask", "uuid", "unordered"),
    "header": ("ignore", "tolerance", "time_tolerance", "regex", "mask", "uuid"),
    "cookie": ("ignore", "tolerance", "time_tolerance", "regex", "mask", "uuid"),
    "line": ("ignore", "tolerance", "time_tolerance", "regex", "mask", "uuid"),
    "status": ("ignore",),
    "body": ("ignore",),
}


class RisksSection(Section):
    """How likely a difference of each kind breaks a caller."""

    missing: RiskName = Field(default="high", description="A value is missing.")
    extra: RiskName = Field(default="low", description="A value is new.")
    type: RiskName = Field(default="high", description="A value has another type.")
    value: RiskName = Field(default="medium", description="A value differs.")
    order: RiskName = Field(default="medium", description="Elements are in a different order.")
    length: RiskName = Field(default="high", description="There are many more or fewer elements, or the bytes differ.")
    number_form: RiskName = Field(
        default="low", alias="number form", description="A number is written differently, such as 1.0 and 1."
    )
    status: RiskName = Field(default="high", description="The status differs.")


class NoiseSection(Section):
    """When a difference counts as noise: legacy differs from itself there as often as the two sides differ."""

    relative: Annotated[Number, Field(ge=0, le=100)] = Field(
        default=20,
        description="How much more often the two sides must differ than legacy from itself, in percent of both rates"
        " together, to count as a difference and not as noise.",
    )
    absolute: Annotated[Number, Field(ge=0, le=100)] = Field(
        default=0.03, description="The same in percent of all pairs; both must be exceeded."
    )
    pairs: Count = Field(
        default=50, description="How many pairs, and repeated requests, are needed before anything counts as noise."
    )


class CompareSection(Section):
    """How the two sides' responses are compared.

    A migration's own section takes precedence over the one at the top level; the rules
    of both apply.
    """

    status: Literal["exact", "class"] = Field(
        default="exact", description="Whether statuses must be equal, or only of the same class, such as 200 and 201."
    )
    headers: Annotated[list[HeaderName], OneOrMany()] = Field(
        default=["content-type", "location", "cache-control", "set-cookie"],
        description="The headers that are compared. Default: content-type, location, cache-control and set-cookie.",
    )
    cookie_values: Annotated[list[Text], OneOrMany()] = Field(
        default=[], description="Cookies whose values are compared as well as their attributes."
    )
    decoded_body: Size = Field(
        default=8 * 1024 * 1024, description="The maximum size of a body that is compared, after decoding."
    )
    risks: RisksSection = Field(default=RisksSection(), description="The risk of each kind of difference.")
    noise: NoiseSection = Field(default=NoiseSection(), description="When a difference counts as noise.")
    default_rules: Flag = Field(
        default=True,
        description="Whether differences in CSRF tokens and nonces of pages and in the expiry of cookies are accepted.",
    )
    rules: list[RuleSection] = Field(default=[], description="Differences that are accepted.")
