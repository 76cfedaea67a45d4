"""A part of JSON Schema 2020-12, in which a declaration says what an automation takes.

`$ref` is missing because it would be fetched, and `pattern` because a regular expression of one
tenant could hold up all others. Objects take the properties that they list, and no others.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator

from config.models import DeclarationModel

_MAX_SIZE = 8_000  # bytes of JSON: a model reads it before it calls the tool
_MAX_DEPTH = 5

Label = Annotated[str, StringConstraints(min_length=1, max_length=500)]
PropertyName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_. -]{0,63}$")]
Count = Annotated[int, Field(ge=0, lt=2**31)]


class ValueSchema(DeclarationModel):
    """The JSON Schema of one value."""

    model_config = ConfigDict(serialize_by_alias=True)

    type: Literal["string", "number", "integer", "boolean", "array", "object"]
    title: Label | None = None
    description: Label | None = None
    enum: Annotated[tuple[str | int | float | bool, ...], Field(min_length=1)] | None = None
    format: Literal["date", "email"] | None = None
    min_length: Count | None = Field(None, alias="minLength")
    max_length: Count | None = Field(None, alias="maxLength")
    minimum: float | None = None
    maximum: float | None = None
    min_items: Count | None = Field(None, alias="minItems")
    max_items: Count | None = Field(None, alias="maxItems")
    items: "ValueSchema | None" = None
    properties: Mapping[PropertyName, "ValueSchema"] | None = None
    required: tuple[PropertyName, ...] | None = None
    additional_properties: Literal[False] | None = Field(None, alias="additionalProperties")

    @model_validator(mode="after")
    def _check_properties(self) -> Self:
        if self.type != "object" and (self.properties is not None or self.required):
            raise ValueError("only an object has properties")
        unknown = [name for name in self.required or () if name not in (self.properties or {})]
        if unknown:
            raise ValueError(f"requires {unknown[0]!r}, which is not one of its properties")
        return self

    def to_json(self) -> dict[str, Any]:
        """Return the JSON Schema; each object in it takes no other properties."""
        return close_objects(self.model_dump(mode="json", exclude_none=True))

    @property
    def depth(self) -> int:
        """Return how many schemas are inside each other."""
        inner = [*(self.properties or {}).values(), *([self.items] if self.items else [])]
        return 1 + max((each.depth for each in inner), default=0)


def close_objects(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON Schema whose objects take the properties that they list, and no others."""
    closed = dict(schema)
    if "items" in closed:
        closed["items"] = close_objects(closed["items"])
    if closed.get("type") == "object":
        properties: Mapping[str, Any] = closed.get("properties", {})
        closed["properties"] = {name: close_objects(each) for name, each in properties.items()}
        closed["additionalProperties"] = False
    return closed


def _check_takes(schema: ValueSchema) -> ValueSchema:
    if schema.type != "object":
        raise ValueError("has to be of the type object, with a property for each value")
    if schema.depth > _MAX_DEPTH:
        raise ValueError(f"has objects or lists more than {_MAX_DEPTH} deep")
    if len(json.dumps(schema.to_json())) > _MAX_SIZE:
        raise ValueError(f"is longer than {_MAX_SIZE} bytes of JSON")
    return schema


# The schema of everything that an automation takes: an object.
Takes = Annotated[ValueSchema, AfterValidator(_check_takes)]
