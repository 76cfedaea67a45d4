import json
from typing import Any

import pytest

from orchestrator.embedded.signatures import Signature
from orchestrator.embedded.stream_parser import Delta, LineParser, join_deltas

RESERVE = Signature.from_schema(
    "reserve_tour",
    {"slot": {"type": "string"}, "people": {"type": "integer"}, "guide": {"type": "string"}},
    ["slot", "people"],
)
HOURS = Signature.from_schema("opening_hours", {})


def read(line: str, *, size: int = 1, cut_off: bool = False) -> list[Delta]:
    parser = LineParser([RESERVE, HOURS])
    deltas = [
        delta for at in range(0, len(line), size) for delta in parser.feed(line[at : at + size])
    ]
    return deltas + parser.end(cut_off=cut_off)


def call(deltas: list[Delta]) -> tuple[str, dict[str, Any]]:
    [tool_call] = join_deltas(deltas)["tool_calls"]
    return tool_call["function"]["name"], json.loads(tool_call["function"]["arguments"])


@pytest.mark.parametrize("size", [1, 3, 100])
def test_a_call_becomes_a_tool_call(size: int) -> None:
    deltas = read("reserve_tour | sat-10 | 4 | Ann ", size=size)
    assert call(deltas) == ("reserve_tour", {"slot": "sat-10", "people": 4, "guide": "Ann"})


def test_an_argument_left_out_is_not_sent() -> None:
    assert call(read("reserve_tour | sat-10 | 4 | -"))[1] == {"slot": "sat-10", "people": 4}
    assert call(read("reserve_tour | sat-10 | 4"))[1] == {"slot": "sat-10", "people": 4}


def test_a_call_without_arguments_is_known_at_its_end() -> None:
    assert call(read("opening_hours")) == ("opening_hours", {})


def test_the_tool_is_told_before_its_arguments_are_there() -> None:
    [delta] = LineParser([RESERVE]).feed("reserve_tour | sat")
    assert delta["tool_calls"][0]["function"] == {"name": "reserve_tour", "arguments": ""}


def test_the_stream_goes_on_while_arguments_are_written() -> None:
    """Whoever limits the silence between two chunks would give a long call up."""
    parser = LineParser([RESERVE])
    parser.feed("reserve_tour | sat")
    for part in ("-10", " | ", "4"):
        (delta,) = parser.feed(part)
        assert delta == {"tool_calls": [{"index": 0, "function": {"arguments": ""}}]}


def test_speech_is_passed_on_while_it_is_generated() -> None:
    parser = LineParser([RESERVE])
    assert parser.feed("say We") == [{"content": "We"}]
    assert parser.feed(" open") == [{"content": " open"}]


@pytest.mark.parametrize("size", [1, 4, 100])
def test_speech_is_stripped(size: int) -> None:
    message = join_deltas(read("say   We open at nine. \n ", size=size))
    assert message == {"role": "assistant", "content": "We open at nine."}


def test_a_call_that_was_cut_off_is_not_valid_json() -> None:
    [tool_call] = join_deltas(read("reserve_tour | sat-10 | 4", cut_off=True))["tool_calls"]
    with pytest.raises(ValueError, match="delimiter"):
        json.loads(tool_call["function"]["arguments"])


@pytest.mark.parametrize("line", ["", "s", "opening_h", "opening_hours", "reserve_tour |"])
def test_a_beginning_that_was_cut_off_is_nothing(line: str) -> None:
    assert read(line, cut_off=True) == []
