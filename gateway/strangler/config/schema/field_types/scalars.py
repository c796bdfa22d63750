"""Numbers, booleans, names and lists. A number or a boolean may come from the environment, where everything is text."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_core import core_schema

from strangler.config.text.environment import Substituted

VARIABLE = r"\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}"


def _number_from_environment(value: object) -> object:
    if isinstance(value, Substituted):
        for kind in (int, float):
            try:
                return kind(value)
            except ValueError:
                continue
    return value


def _boolean_from_environment(value: object) -> object:
    if isinstance(value, Substituted) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    return value


def _one_or_many(value: object) -> object:
    return value if isinstance(value, (list, dict)) or value is None else [value]


Whole = Annotated[int, BeforeValidator(_number_from_environment)]
HttpStatus = Annotated[Whole, Field(ge=100, le=599)]
FailureStatus = Annotated[Whole, Field(ge=400, le=599)]
Count = Annotated[Whole, Field(ge=1)]
Number = Annotated[float, BeforeValidator(_number_from_environment), Field(allow_inf_nan=False)]
Flag = Annotated[bool, BeforeValidator(_boolean_from_environment)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class OneOrMany:
    """Marks a list field that may be written as a single item."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        return core_schema.no_info_before_validator_function(_one_or_many, handler(source))

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        many = handler(schema)
        return {"anyOf": [many["items"], many]}
