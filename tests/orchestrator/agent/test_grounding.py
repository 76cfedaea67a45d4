"""An optional argument that the caller has not said is dropped, one that was said stays."""

import pytest

from orchestrator.agent.grounding import ground_arguments, quote

TURNS = ["Two tickets, please.", "My number is five five five, oh one two.", "Ask for Ines."]


@pytest.mark.parametrize(
    "value",
    ["555012", "555-012", "Ines", "Ines Marques", "tickets", "012"],
)
def test_what_was_said_is_passed_on(value: str) -> None:
    assert ground_arguments({"note": value}, (), TURNS) == {"note": value}


@pytest.mark.parametrize(
    ("spoken", "value"),
    [
        ("It's eighty one ninety three double five.", "819355"),
        ("one eight hundred, triple five", "1800555"),
        ("nought twenty two forty", "02240"),
        ("the number is 030 double one", "03011"),
    ],
)
def test_numbers_are_heard_in_all_their_words(spoken: str, value: str) -> None:
    assert ground_arguments({"phone": value}, (), [spoken]) == {"phone": value}


@pytest.mark.parametrize("value", ["555013", "0123456789", "Paul", "paul@mail.example"])
def test_what_was_made_up_is_dropped(value: str) -> None:
    assert ground_arguments({"note": value}, (), TURNS) == {}


def test_what_is_required_or_no_text_is_left_alone() -> None:
    arguments = {"name": "Paul", "seats": 9, "aisle": True}
    assert ground_arguments(arguments, ("name",), TURNS) == arguments


def test_before_the_caller_spoke_nothing_was_said() -> None:
    assert ground_arguments({"note": "Ines"}, (), []) == {}


BILL = [*TURNS, "The bill for my last visit is wrong, please have a look."]


@pytest.mark.parametrize(
    ("text", "passed_on"),
    [
        ("The bill for the last visit is wrong.", "The bill for the last visit is wrong."),
        ("Bill is wrong", "Bill is wrong"),
        ("Please bring warm clothes and all letters of your doctor.", BILL[-1]),
    ],
)
def test_a_sentence_that_is_needed_is_the_caller_s(text: str, passed_on: str) -> None:
    assert ground_arguments({"text": text}, ("text",), BILL) == {"text": passed_on}


def test_a_sentence_that_is_not_needed_and_was_not_said_is_dropped() -> None:
    made_up = "Please bring warm clothes and all letters of your doctor."
    assert ground_arguments({"notes": made_up}, (), BILL) == {}


SAID = (
    "Hello, is that the right number?",
    "The heating in my flat is cold. Could somebody call me back?",
    "My name is Ann Lee, and my number is 555 0142.",
    "Yes, please.",
)


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("The heating is cold.", SAID[1]),  # a part of what was said
        (SAID[1], SAID[1]),  # when it is confirmed, later
        (None, SAID[2]),
    ],
)
def test_what_is_kept_is_the_callers_own_words(text: str | None, quoted: str) -> None:
    assert quote(text, SAID) == quoted


def test_without_words_nothing_is_quoted() -> None:
    assert quote(None, ["Yes, please."]) is None
    assert quote(None, []) is None
    assert quote("The heating is cold.", []) is None
