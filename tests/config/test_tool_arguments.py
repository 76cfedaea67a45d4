"""Arguments are read as the schema means them, and otherwise left as they are."""

from typing import Any

import pytest

from config.tool_arguments import read_arguments

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "tags": {"type": "array", "items": {"type": "string"}},
        "numbers": {"anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "null"}]},
        "fields": {"type": "object"},
        "person": {"$ref": "#/$defs/Person"},
        "people": {"type": "array", "items": {"$ref": "#/$defs/Person"}},
        "count": {"type": "integer"},
        "price": {"type": ["number", "null"]},
        "exact": {"type": "boolean"},
        "text": {"type": "string"},
        "either": {"anyOf": [{"type": "array"}, {"type": "string"}]},
        "colour": {"enum": ["red", "blue"]},
        "anything": {},
        "needed": {"type": "integer"},
    },
    "required": ["needed"],
    "$defs": {
        "Person": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        },
        "Loop": {"$ref": "#/$defs/Loop"},
    },
}


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ({"tags": '["a", "b"]'}, {"tags": ["a", "b"]}),
        ({"tags": ["a"]}, {"tags": ["a"]}),
        ({"numbers": "[1, 2]"}, {"numbers": [1, 2]}),
        ({"numbers": ["1", 2]}, {"numbers": [1, 2]}),
        ({"fields": '{"a": {"b": "1"}}'}, {"fields": {"a": {"b": "1"}}}),
        ({"person": '{"name": "7", "age": "7"}'}, {"person": {"name": "7", "age": 7}}),
        ({"people": ['{"age": 7}', {"age": None}]}, {"people": [{"age": 7}, {}]}),
        (
            {"count": "5", "exact": "true", "price": "1.5"},
            {"count": 5, "exact": True, "price": 1.5},
        ),
        ({"price": "5"}, {"price": 5}),
        ({"count": None, "tags": None, "text": None}, {}),
        ({"tags": "null", "count": "null"}, {}),
        ({"price": None, "numbers": None}, {"price": None, "numbers": None}),
        ({"price": "null"}, {"price": None}),
        ({"needed": "3"}, {"needed": 3}),
    ],
)
def test_what_was_sent_as_a_text_is_read(sent: dict[str, Any], read: dict[str, Any]) -> None:
    assert read_arguments(sent, SCHEMA) == read


@pytest.mark.parametrize(
    "sent",
    [
        {"text": '["a"]'},
        {"text": "5"},
        {"text": "null"},
        {"either": '["a"]'},
        {"colour": '["red"]'},
        {"anything": '["a"]'},
        {"unknown": "[1]", "other": None},
        {"tags": "a"},
        {"tags": '{"a": 1}'},
        {"tags": '["a"'},
        {"tags": "[" * 100_000},
        {"fields": "[]"},
        {"count": "five"},
        {"count": "1" * 5000},
        {"price": "NaN"},
        {"price": "1e999"},
        {"exact": "yes"},
        {"needed": None},
    ],
)
def test_anything_else_is_left_to_the_tool(sent: dict[str, Any]) -> None:
    assert read_arguments(sent, SCHEMA) == sent


def test_a_schema_of_others_may_be_anything() -> None:
    schemas: list[dict[str, Any]] = [{}, {"anyOf": []}, {"properties": {"a": {"anyOf": []}}}]
    for schema in schemas:
        assert read_arguments({"a": "[1]"}, schema) == {"a": "[1]"}
    looped = {"properties": {"a": {"$ref": "#/$defs/Loop"}}, "$defs": SCHEMA["$defs"]}
    assert read_arguments({"a": "x"}, looped) == {"a": "x"}
