"""Reads the arguments of a tool call as its JSON Schema means them."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn, cast

_MAX_DEPTH = 20  # of what is read, and of references in a schema
_Schema = Mapping[str, Any]


def read_arguments(arguments: Mapping[str, Any], schema: _Schema) -> dict[str, Any]:
    """Return the arguments, with JSON texts read where the schema takes no text.

    Some clients send `"[1, 2]"` for a list, `"5"` for a number, and null for what is not given.
    What does not become valid by that is returned as it is, to be refused by the tool.
    """
    return _Reader(schema.get("$defs", {})).read_object(arguments, schema, 0)


class _Reader:
    """Reads values by schemas that share definitions."""

    def __init__(self, definitions: Mapping[str, _Schema]) -> None:
        self._definitions = definitions

    def read_object(self, value: Mapping[str, Any], schema: _Schema, depth: int) -> dict[str, Any]:
        """Return an object with its properties read; optional ones that may not be null go."""
        properties: Mapping[str, _Schema] = schema.get("properties", {})
        required = schema.get("required", ())
        read: dict[str, Any] = {}
        for name, each in value.items():
            of_name = properties.get(name)
            if of_name is None:
                read[name] = each
                continue
            read_value = self._read(each, of_name, depth + 1)
            if read_value is None and name not in required and not self._takes(of_name, "null"):
                continue
            read[name] = read_value
        return read

    def _read(self, value: object, schema: _Schema, depth: int) -> object:
        if depth > _MAX_DEPTH:
            return value
        if isinstance(value, str) and not self._takes(schema, "string"):
            value = self._parse(value, schema)
        match value:
            case dict():
                return self._read_properties(cast("dict[str, object]", value), schema, depth)
            case list():
                return self._read_items(cast("list[object]", value), schema, depth)
            case _:
                return value

    def _read_properties(self, value: dict[str, object], schema: _Schema, depth: int) -> object:
        objects = [each for each in self._variants(schema) if "properties" in each]
        # Of several, it is not known which is meant.
        return self.read_object(value, objects[0], depth) if len(objects) == 1 else value

    def _read_items(self, value: list[object], schema: _Schema, depth: int) -> object:
        lists = [each for each in self._variants(schema) if isinstance(each.get("items"), dict)]
        if len(lists) != 1:
            return value
        items: _Schema = lists[0]["items"]
        return [self._read(each, items, depth + 1) for each in value]

    def _parse(self, text: str, schema: _Schema) -> object:
        """Return the value of a JSON text, if the schema takes its type, or if it is null."""
        try:
            value: object = json.loads(text, parse_constant=_refuse)
        except (ValueError, RecursionError):
            return text
        if isinstance(value, float) and not math.isfinite(value):
            return text
        return value if value is None or self._takes(schema, _type(value)) else text

    def _takes(self, schema: _Schema, kind: str) -> bool:
        """Say whether a value of this JSON type may be valid."""
        for variant in self._variants(schema):
            types = variant.get("type")
            if types is None:
                values = variant.get("enum", [variant["const"]] if "const" in variant else None)
                if values is None:
                    return True
                types = [_type(each) for each in values]
            named = [types] if isinstance(types, str) else types
            if kind in named or (kind == "integer" and "number" in named):
                return True
        return False

    def _variants(self, schema: _Schema, depth: int = 0) -> Iterator[_Schema]:
        """Yield the schemas of which a value has to meet one, with references resolved."""
        if depth > _MAX_DEPTH:
            return
        reference = schema.get("$ref")
        if isinstance(reference, str):
            definition = self._definitions.get(reference.removeprefix("#/$defs/"), {})
            yield from self._variants(definition, depth + 1)
            return
        alternatives = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
        if not alternatives:
            yield schema
            return
        for each in alternatives:
            yield from self._variants(each, depth + 1)


def _type(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)
