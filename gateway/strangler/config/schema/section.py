"""What all sections of the YAML have in common: they are strict."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

Text = Annotated[str, Field(min_length=1)]


class Section(BaseModel):
    """A mapping in the YAML: no keys but the fields, no value of another kind, none left empty."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _not_empty(cls, value: Any) -> Any:
        if value is None:
            raise PydanticCustomError("no_value", "has no value")
        return value
