"""The OpenAPI document, written from the operations and their models."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core.core_schema import WithDefaultSchema

from orchestrator.api.errors import Error
from orchestrator.api.operations import Nothing, Operation

Json = dict[str, Any]

_JSON = "application/json"
_NULL = ("default", None)
_PARAMETER = re.compile(r"\{(\w+)(?::(\w+))?\}")
_PARAMETER_SCHEMAS: Mapping[str, Json] = {
    "uuid": {"type": "string", "format": "uuid"},
    "int": {"type": "integer", "minimum": 0},
    "": {"type": "string"},
}
_SCHEMES: Mapping[str, Json] = {
    "key": {"type": "http", "scheme": "bearer", "description": "An API key of a business."},
    "conversation": {
        "type": "http",
        "scheme": "bearer",
        "description": "The conversation_token of exactly this conversation; it only reads.",
    },
}
_SECURITY: Mapping[str, list[Json]] = {
    "public": [],
    "anyone": [{"key": []}, {}],
    "key": [{"key": []}],
    "limited": [{"key": []}],
    "conversation": [{"key": []}, {"conversation": []}],
}


class _Schemas(GenerateJsonSchema):
    """Leaves out a default of null, which says no more than that the field is not required."""

    def default_schema(self, schema: WithDefaultSchema) -> JsonSchemaValue:
        """Return the schema of a field that has a default."""
        described = super().default_schema(schema)
        return {name: value for name, value in described.items() if (name, value) != _NULL}


@cache
def document(operations: Sequence[Operation[Any]]) -> Json:
    """Return the document of these operations."""
    schemas, components = _schemas(operations)
    paths: dict[str, Json] = {}
    for operation in operations:
        path = _PARAMETER.sub(r"{\1}", operation.path)
        paths.setdefault(path, {})[operation.method.lower()] = _operation(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Antiphon", "version": version("antiphon")},
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": dict(_SCHEMES)},
    }


def _schemas(
    operations: Sequence[Operation[Any]],
) -> tuple[dict[tuple[Any, JsonSchemaMode], Json], Json]:
    wanted: list[tuple[Any, JsonSchemaMode]] = [(Error, "serialization")]
    for operation in operations:
        wanted.append((operation.takes, "validation"))
        wanted.append((operation.answers, "serialization"))
    inputs: list[tuple[str, JsonSchemaMode, TypeAdapter[Any]]] = [
        (str(kind), mode, TypeAdapter(kind)) for kind, mode in wanted
    ]
    found, shared = TypeAdapter.json_schemas(
        inputs, ref_template="#/components/schemas/{model}", schema_generator=_Schemas
    )
    return {(kind, mode): found[str(kind), mode] for kind, mode in wanted}, shared["$defs"]


def _operation(
    operation: Operation[Any], schemas: Mapping[tuple[Any, JsonSchemaMode], Json]
) -> Json:
    takes, answers = operation.takes, schemas[operation.answers, "serialization"]
    described: Json = {
        "operationId": operation.handler.__name__,
        "summary": (operation.handler.__doc__ or "").strip(),
        "security": _SECURITY[operation.access],
        "responses": {
            str(operation.status): {
                "description": "Done.",
                "content": {
                    kind: {"schema": answers if kind == _JSON else {"type": "string"}}
                    for kind in operation.files or (_JSON,)
                },
            },
            "default": {
                "description": "What went wrong.",
                "content": {_JSON: {"schema": schemas[Error, "serialization"]}},
            },
        },
    }
    parameters = _path_parameters(operation.path)
    if operation.method == "GET":
        parameters += _query_parameters(takes.model_json_schema(schema_generator=_Schemas))
    elif takes is not Nothing:
        required = any(field.is_required() for field in takes.model_fields.values())
        content = {_JSON: {"schema": schemas[takes, "validation"]}}
        described["requestBody"] = {"required": required, "content": content}
    return described | ({"parameters": parameters} if parameters else {})


def _path_parameters(path: str) -> list[Json]:
    return [
        {"name": name, "in": "path", "required": True, "schema": _PARAMETER_SCHEMAS[kind]}
        for name, kind in _PARAMETER.findall(path)
    ]


def _query_parameters(schema: Json) -> list[Json]:
    required = schema.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in required, "schema": property_}
        for name, property_ in schema.get("properties", {}).items()
    ]
