"""Holds the values of a call against the JSON Schema of an automation, before they are sent."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from referencing import Registry

from automation.provider import Schema

MAX_SIZE = 16_000  # bytes of JSON; Zapier takes ten million, and a caller dictates this
_CHECKED_FORMATS = Draft202012Validator.FORMAT_CHECKER
_NO_REFERENCES: Registry[Any] = Registry()  # nothing is fetched


@dataclass(frozen=True)
class Violation:
    """How values break a schema. `field` is what the value is called; `rule` says what it needs.

    Neither has anything of the values.
    """

    kind: Literal["missing", "unknown", "wrong", "too_large"]
    field: str
    rule: str


def find_violation(schema: Schema, values: Mapping[str, Any]) -> Violation | None:
    """Return the first way in which values break a schema; what is missing comes first."""
    try:
        size = len(json.dumps(values, allow_nan=False).encode())
    except ValueError:  # NaN or an infinity
        return Violation("wrong", "", "Numbers have to be finite.")
    if size > MAX_SIZE:
        return Violation("too_large", "", f"Values have at most {MAX_SIZE} bytes of JSON.")
    validator = Draft202012Validator(
        schema, registry=_NO_REFERENCES, format_checker=_CHECKED_FORMATS
    )
    found = [_to_violation(error) for error in validator.iter_errors(values)]
    return next((each for each in found if each.kind == "missing"), found[0] if found else None)


def _to_violation(error: ValidationError) -> Violation:
    """Return an error without the value: its own message would repeat what the caller said."""
    schema: Mapping[str, Any] = error.schema if isinstance(error.schema, Mapping) else {}
    properties: Mapping[str, Any] = schema.get("properties", {})
    path = [str(part) for part in error.absolute_path]
    expected: Any = error.validator_value
    instance: Any = error.instance
    match error.validator:
        case "required":
            name = next(each for each in expected if each not in instance)
            field = ".".join([*path, name])
            return Violation("missing", _label(properties.get(name, {}), name), f"Needs {field}.")
        case "additionalProperties":
            names = ", ".join(sorted(properties)) or "nothing"
            where = f"{'.'.join(path)} takes" if path else "It takes"
            return Violation("unknown", "", f"{where} {names}.")
        case "enum":
            choices = ", ".join(str(each) for each in expected)
            rule = f"one of {choices}"
        case "type":
            rule = f"of the type {expected}"
        case "format":
            rule = f"written like a {expected} (2030-01-31, ann@example.com)"
        case keyword:
            rule = f"within {keyword} {expected}"
    field = ".".join(path)
    return Violation(
        "wrong", _label(schema, path[-1] if path else ""), f"{field} has to be {rule}."
    )


def _label(schema: Mapping[str, Any], name: str) -> str:
    """Return how a value is called when it is asked for."""
    return str(schema.get("title") or name.replace("_", " "))
