"""`compare:` in the YAML: what of two answers is compared, and which differences are let pass."""

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
                "description": "A CSS selector for elements; after a space `@NAME` for an attribute of theirs, or"
                " `text()` for the texts in them.",
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
                "description": "A cookie's name, or `*` for every cookie; after a space `@NAME` for an attribute.",
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
                "description": "How far two numbers may be apart: a number, or a percentage of the larger.",
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
    """Differences that are let pass: where they are, and how far they may go."""

    name: Text = Field(
        description="What it is for; reports say it beside what it hides.", examples=["legacy rounds VAT wrongly"]
    )
    json_: Annotated[list[JsonPath], OneOrMany(), Field(min_length=1)] | None = Field(
        default=None, alias="json", description="Where: values of JSON bodies."
    )
    html: Annotated[list[Selector], OneOrMany(), Field(min_length=1)] | None = Field(
        default=None, description="Where: elements, attributes or texts of HTML bodies."
    )
    header: Annotated[list[HeaderName], OneOrMany(), Field(min_length=1)] | None = Field(
        default=None, description="Where: headers."
    )
    cookie: Annotated[list[Cookie], OneOrMany(), Field(min_length=1)] | None = Field(
        default=None, description="Where: cookies that are set, or attributes of theirs."
    )
    line: Annotated[list[Regex], OneOrMany(), Field(min_length=1)] | None = Field(
        default=None, description="Where: lines of text bodies that hold a match of this."
    )
    status: Annotated[list[Statuses], OneOrMany(), Field(min_length=1)] | None = Field(
        default=None, description="Where: the two sides' statuses."
    )
    body: Literal[True] | None = Field(default=None, description="Where: the whole body, of whatever kind.")
    ignore: Annotated[list[Ignored], OneOrMany(), Field(min_length=1)] | None = Field(
        default=None,
        description="Differences of these kinds pass, there and below; `redacted` are values that are the same but "
        "for what is redacted in them.",
    )
    tolerance: Tolerance | None = Field(default=None, description="Numbers pass that are no further apart.")
    time_tolerance: DurationOrZero | None = Field(
        default=None, description="Times pass that are no further apart, whatever their zone or spelling."
    )
    regex: Regex | None = Field(default=None, description="Two texts pass that both match this as a whole.")
    mask: Regex | None = Field(
        default=None, description="Two texts pass that are the same but for the parts that match this."
    )
    uuid: Literal[True] | None = Field(default=None, description="Two UUIDs pass.")
    null_equals_missing: Literal[True] | None = Field(
        default=None, description="Null passes where the other side has nothing."
    )
    unordered: Literal[True] | None = Field(
        default=None,
        description="Elements of a list are compared in whatever order they are; how often each is there counts.",
    )
    key: Text | None = Field(
        default=None,
        description="Elements of a list are objects that belong together where this field of theirs is the same,"
        " in whatever order they are.",
        examples=["id"],
    )
    lag: Annotated[Duration, Field(le=60)] | None = Field(
        default=None,
        description="The extracted side may be this far behind legacy, 60 s at the most: a response passes that legacy "
        "gave shortly before, if the extracted side has caught up after this time. Stands alone, without a place.",
        examples=["2s"],
    )
    owner: Text | None = Field(default=None, description="Who answers for accepting this difference.")
    expires: Day | None = Field(
        default=None, description="The last day on which it lets anything pass.", examples=["2027-03-31"]
    )

    @model_validator(mode="after")
    def _one_place_and_one_treatment(self) -> RuleSection:
        given = {field.removesuffix("_") if field == "json_" else field for field in self.model_fields_set}
        targets = [target for target in _TARGETS if target in given]
        treatments = [treatment for treatment in _TREATMENTS if treatment in given]
        if "lag" in given:
            if targets or treatments:
                raise ValueError(f"'lag' stands alone: leave out {', '.join([*targets, *treatments])}")
            return self
        if not targets:
            raise ValueError(f"says not where: give one of {', '.join(_TARGETS)}")
        if len(treatments) != 1:
            said = f"says {' and '.join(treatments)}" if treatments else "lets nothing pass"
            raise ValueError(f"{said}: give one of {', '.join(_TREATMENTS)}")
        treatment = treatments[0]
        for target in targets:
            if treatment not in _FITTING[target]:
                raise ValueError(f"'{treatment}' means nothing for '{target}'")
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

    missing: RiskName = Field(default="high", description="Something is gone.")
    extra: RiskName = Field(default="low", description="Something is new.")
    type: RiskName = Field(default="high", description="A value has another type.")
    value: RiskName = Field(default="medium", description="A value is another.")
    order: RiskName = Field(default="medium", description="Elements are in another order.")
    length: RiskName = Field(default="high", description="There are many more or fewer elements, or other bytes.")
    number_form: RiskName = Field(
        default="low", alias="number form", description="A number is written in another way, as 1.0 and 1."
    )
    status: RiskName = Field(default="high", description="The status is another.")


class NoiseSection(Section):
    """When a difference is taken for noise: legacy asked twice differs there as often as the two sides do."""

    relative: Annotated[Number, Field(ge=0, le=100)] = Field(
        default=20,
        description="How much more often the two sides must differ than legacy from itself, in percent of both rates"
        " together, for it not to be noise.",
    )
    absolute: Annotated[Number, Field(ge=0, le=100)] = Field(default=0.03, description="And in percent of all pairs.")
    pairs: Count = Field(default=50, description="Pairs, and requests asked twice, before anything is decided.")


class CompareSection(Section):
    """How the two sides' answers are compared.

    A migration's own section goes before the one at the top level; the rules
    of both apply.
    """

    status: Literal["exact", "class"] = Field(
        default="exact", description="Whether statuses must be the same, or of the same class, as 200 and 201."
    )
    headers: Annotated[list[HeaderName], OneOrMany()] = Field(
        default=["content-type", "location", "cache-control", "set-cookie"],
        description="The headers that are compared: content-type, location, cache-control and set-cookie unless given.",
    )
    cookie_values: Annotated[list[Text], OneOrMany()] = Field(
        default=[], description="Cookies whose values are compared, too, and not only their attributes."
    )
    decoded_body: Size = Field(default=8 * 1024 * 1024, description="The largest body that is compared, decoded.")
    risks: RisksSection = Field(default=RisksSection(), description="How bad differences are.")
    noise: NoiseSection = Field(default=NoiseSection(), description="When a difference is taken for noise.")
    default_rules: Flag = Field(
        default=True, description="Whether CSRF tokens and nonces of pages and the expiry of cookies are let pass."
    )
    rules: list[RuleSection] = Field(default=[], description="Differences that are let pass.")
