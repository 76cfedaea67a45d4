"""Tools as a small model sees and writes them: `tool | argument | argument`."""

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

_LONGEST_TEXT = 80
_USUAL_TEXT = 60


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument of a tool."""

    name: str
    kind: str
    required: bool
    choices: tuple[Any, ...]
    longest: int


@dataclass(frozen=True, slots=True)
class Signature:
    """A tool's name and arguments, the required ones first: the others may be left out."""

    name: str
    parameters: tuple[Parameter, ...]

    @classmethod
    def of(
        cls,
        name: str,
        properties: Mapping[str, Schema],
        required: Collection[str] = (),
        definitions: Mapping[str, Schema] = MappingProxyType({}),
    ) -> "Signature":
        """Read the arguments of a tool from the parts of its JSON schema."""
        parameters = [
            _parameter(key, _plain(schema, definitions), key in required)
            for key, schema in properties.items()
        ]
        return cls(name, tuple(sorted(parameters, key=lambda each: not each.required)))

    def line(self, arguments: Mapping[str, Any]) -> str:
        """Write a call of this tool."""
        values = [written(arguments.get(each.name)) for each in self.parameters]
        while values and values[-1] == ABSENT:
            values.pop()
        return SEPARATOR.join([self.name, *values])

    def arguments(self, values: Iterable[str]) -> dict[str, Any]:
        """Read the arguments of a call back, in the types of the schema."""
        pairs = zip(self.parameters, (value.strip() for value in values), strict=False)
        return {
            each.name: _read(each, value)
            for each, value in pairs
            if value and (each.required or value != ABSENT)
        }


def _plain(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """Follow a reference, and take the first alternative that is not null."""
    if reference := schema.get("$ref"):
        name = str(reference).rpartition("/")[2]
        return _plain(definitions.get(name, {}), definitions)
    for alternative in schema.get("anyOf", ()):
        if alternative.get("type") != "null":
            return _plain(alternative, definitions)
    return schema


def _parameter(name: str, schema: Schema, required: bool) -> Parameter:
    choices = [schema["const"]] if "const" in schema else schema.get("enum", [])
    return Parameter(
        name=name,
        kind=schema.get("type", "string"),
        required=required,
        choices=tuple(choice for choice in choices if choice is not None),
        longest=min(_LONGEST_TEXT, schema.get("maxLength", _USUAL_TEXT)),
    )


def written(value: JsonValue) -> str:
    """Write one argument so that it cannot be taken for two."""
    if value is None or value == "":
        return ABSENT
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(map(written, value))
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return " ".join(text.replace("|", "/").split())


def _read(parameter: Parameter, value: str) -> Any:
    for choice in parameter.choices:
        if written(choice) == value:
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
        return value  # the tool's own validation says what is wrong
