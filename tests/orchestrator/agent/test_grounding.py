"""An optional argument that the caller has not said is dropped, one that was said stays."""

import pytest

from orchestrator.agent.grounding import grounded

SAID = ["Two tickets, please.", "My number is five five five, oh one two.", "Ask for Ines."]


@pytest.mark.parametrize(
    "value",
    ["555012", "555-012", "Ines", "Ines Marques", "tickets", "012"],
)
def test_what_was_said_is_passed_on(value: str) -> None:
    assert grounded({"note": value}, (), SAID) == {"note": value}


@pytest.mark.parametrize("value", ["555013", "0123456789", "Paul", "paul@mail.example"])
def test_what_was_made_up_is_dropped(value: str) -> None:
    assert grounded({"note": value}, (), SAID) == {}


def test_what_is_required_or_no_text_is_left_alone() -> None:
    arguments = {"name": "Paul", "seats": 9, "aisle": True}
    assert grounded(arguments, ("name",), SAID) == arguments


def test_before_the_caller_spoke_nothing_was_said() -> None:
    assert grounded({"note": "Ines"}, (), []) == {}
