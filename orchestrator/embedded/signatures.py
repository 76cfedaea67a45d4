"""The one-line format in which a small model calls tools: `tool | argument | argument`."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pydantic import JsonValue

Schema = Mapping[str, Any]

SEPARATOR = " | "
ABSENT = "-"
SAY = "say"

_MAX_LENGTH = 80  # characters of a text argument
_DEFAULT_LENGTH = 60


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument of a tool."""

    name: str
    kind: str
    required: bool
    choices: tuple[Any, ...]
    max_length: int


@dataclass(frozen=True, slots=True)
class Signature:
    """A tool's name and parameters, the required ones first, so that others can be left out."""

    name: str
    parameters: tuple[Parameter, ...]

    @classmethod
    def from_schema(
        cls,
        name: str,
        properties: Mapping[str, Schema],
        required: Collection[str] = (),
        definitions: Mapping[str, Schema] = MappingProxyType({}),
    ) -> "Signature":
        """Build a signature from the parts of a tool's JSON schema."""
        parameters = [
            _parameter(key, _resolve_schema(schema, definitions), key in required)
            for key, schema in properties.items()
        ]
        return cls(name, tuple(sorted(parameters, key=lambda each: not each.required)))

    def format_call(self, arguments: Mapping[str, Any]) -> str:
        """Return a call of this tool as one line."""
        values = [format_argument(arguments.get(each.name)) for each in self.parameters]
        while values and values[-1] == ABSENT:
            values.pop()
        return SEPARATOR.join([self.name, *values])

    def parse_arguments(self, values: Iterable[str]) -> dict[str, Any]:
        """Convert the fields of a line to arguments in the types of the schema."""
        pairs = zip(self.parameters, (value.strip() for value in values), strict=False)
        return {
            each.name: _parse_argument(each, value)
            for each, value in pairs
            if value and (each.required or value != ABSENT)
        }


def _resolve_schema(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """Follow `$ref`, and take the first alternative of `anyOf` that is not null."""
    if reference := schema.get("$ref"):
        name = str(reference).rpartition("/")[2]
        return _resolve_schema(definitions.get(name, {}), definitions)
    for alternative in schema.get("anyOf", ()):
        if alternative.get("type") != "null":
            return _resolve_schema(alternative, definitions)
    return schema


def _parameter(name: str, schema: Schema, required: bool) -> Parameter:
    choices = [schema["const"]] if "const" in schema else schema.get("enum", [])
    return Parameter(
        name=name,
        kind=schema.get("type", "string"),
        required=required,
        choices=tuple(choice for choice in choices if choice is not None),
        max_length=min(_MAX_LENGTH, schema.get("maxLength", _DEFAULT_LENGTH)),
    )


def format_argument(value: JsonValue) -> str:
    """Return one argument as text without the separator."""
    if value is None or value == "":
        return ABSENT
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(map(format_argument, value))
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return " ".join(text.replace("|", "/").split())


def _parse_argument(parameter: Parameter, value: str) -> Any:
    for choice in parameter.choices:
        if format_argument(choice) == value:
            return choice
    try:
        match parameter.kind:
            case "integer":
                return int(value)
            case "number":
                return float(value)
            case "boolean":
                return value == "true"
            case "array":
                return [item.strip() for item in value.split(",") if item.strip()]
            case "object":
                return json.loads(value)
            case _:
                return value
    except ValueError:
        return value  # the tool's own validation reports it
