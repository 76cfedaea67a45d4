"""Parsing the numbers of records as callers say them."""

import pytest

from servicenow.inputs import NumberedKind, parse_record_key


@pytest.mark.parametrize(
    ("text", "kind", "numbers"),
    [
        ("INC0010001", "incident", ("INC0010001",)),
        ("i n c ten thousand one", "incident", ("INC0010001", "INC10001")),
        ("ten thousand two hundred and one", "incident", ("INC0010201", "INC10201")),
        ("two thousand", "case", ("CS0002000", "CS2000")),
        ("c s triple oh 1 2", "case", ("CS0000012", "CS00012")),
        ("S C task 7", "task", ("SCTASK0000007", "SCTASK7")),
        ("my task 7", "task", ("TASK0000007", "TASK7")),
        ("sctask0010002", "task", ("SCTASK0010002",)),
        ("the printer", "incident", ()),
        ("INC", "incident", ()),
        ("INC 12 printer", "incident", ()),
        ("", "incident", ()),
        ("9" * 21, "incident", ()),
    ],
)
def test_numbers_are_understood_as_they_are_said(
    text: str, kind: NumberedKind, numbers: tuple[str, ...]
) -> None:
    assert parse_record_key(text, kind).numbers == numbers
