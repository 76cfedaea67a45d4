import json
import re
from typing import Any

import pytest

from orchestrator.embedded.grammar import build_grammar
from orchestrator.embedded.signatures import Signature

STRING = {"type": "string"}
CUT_KEY = Signature.from_schema(
    "cut_key",
    {
        "note": STRING,
        "blank": {"$ref": "#/$defs/Blank"},
        "copies": {"type": "integer"},
        "express": {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
    },
    ["blank", "copies"],
    {"Blank": {"enum": ["yale-1", "disc-9"]}},
)
OPENING_HOURS = Signature.from_schema("opening_hours", {})


def accepts(gbnf: str, line: str) -> bool:
    """Read the part of GBNF that is in use, as a regular expression."""
    body = gbnf.removeprefix("root ::= ")
    tokens: list[str] = re.findall(r'"(?:\\.|[^"])*"|\[(?:\\.|[^\]])*\]|\S', body)
    pattern = "".join(
        re.escape(json.loads(token)) if token.startswith('"') else token for token in tokens
    )
    return re.fullmatch(pattern, line) is not None


@pytest.mark.parametrize(
    ("line", "accepted"),
    [
        ("cut_key | yale-1 | 2", True),
        ("cut_key | yale-1 | 2 | for the shed", True),
        ("cut_key | disc-9 | 2 | - | true", True),
        ("cut_key | other-3 | 2", False),
        ("cut_key | yale-1 | two", False),
        ("cut_key | yale-1 | 2 |  ", False),
        ("cut_key | - | 2", False),
        ("cut_key | yale-1", False),
        ("opening_hours", True),
        ("opening_hours | now", False),
        ("say We open at nine.", True),
        ("say  ", False),
        ("say cut_key | yale-1 | 2", False),
        ("sell_key", False),
    ],
)
def test_an_answer_is_one_whole_call_or_a_sentence(line: str, accepted: bool) -> None:
    assert accepts(build_grammar([CUT_KEY, OPENING_HOURS], may_speak=True), line) is accepted


def test_a_tool_that_is_not_allowed_cannot_be_written() -> None:
    gbnf = build_grammar([OPENING_HOURS], may_speak=True)
    assert not accepts(gbnf, "cut_key | yale-1 | 2")
    assert accepts(gbnf, "opening_hours")


def test_a_required_call_leaves_no_way_to_speak() -> None:
    assert not accepts(build_grammar([OPENING_HOURS], may_speak=False), "say We open at nine.")


def test_quotes_in_choices_stay_inside_their_literal() -> None:
    odd = Signature.from_schema("pick", {"what": {"enum": ['a "b"', "c\\d"]}}, ["what"])
    gbnf = build_grammar([odd], may_speak=False)
    assert accepts(gbnf, 'pick | a "b"')
    assert accepts(gbnf, "pick | c\\d")


@pytest.mark.parametrize(
    "arguments",
    [
        {"blank": "yale-1", "copies": 2},
        {"blank": "yale-1", "copies": 2, "express": True},
        {"blank": "disc-9", "copies": 1, "note": "for the shed", "express": False},
    ],
)
def test_a_written_call_is_allowed_and_reads_back_the_same(arguments: dict[str, Any]) -> None:
    line = CUT_KEY.format_call(arguments)
    assert accepts(build_grammar([CUT_KEY], may_speak=False), line)
    assert CUT_KEY.parse_arguments(line.split(" | ")[1:]) == arguments


def test_a_separator_inside_an_argument_cannot_make_two_of_it() -> None:
    line = CUT_KEY.format_call({"blank": "yale-1", "copies": 1, "note": "red | blue"})
    assert line == "cut_key | yale-1 | 1 | red / blue"


def test_lists_and_numbers_keep_their_types() -> None:
    signature = Signature.from_schema(
        "quote",
        {
            "doors": {"type": "array", "items": STRING},
            "width": {"type": "number"},
            "level": {"enum": [1, 2]},
        },
        ["doors", "width", "level"],
    )
    arguments = signature.parse_arguments(["front, back", "82.5", "2"])
    assert arguments == {"doors": ["front", "back"], "width": 82.5, "level": 2}
