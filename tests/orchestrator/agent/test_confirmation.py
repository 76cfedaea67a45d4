"""A yes is a turn of the caller's after the question, which agrees."""

from typing import Any

import pytest

from orchestrator.agent.confirmation import Confirmation
from orchestrator.mcp_client.tool import Outcome, ToolInfo

RESERVE = ToolInfo(
    server="box_office",
    tool="reserve",
    description="Reserve seats.",
    parameters={},
    reads=False,
    repeatable=False,
)
SEATS: dict[str, Any] = {"seats": 2}
REQUEST = Outcome("", {"status": "needs_confirmation", "confirmation_code": "code"}, "Shall I?")


@pytest.fixture
def confirmation() -> Confirmation:
    """A confirmation that was asked for in the caller's first turn."""
    confirmation = Confirmation()
    confirmation.add_caller_turn("Two seats for tonight.")
    assert confirmation.add_request(RESERVE, SEATS, REQUEST)
    return confirmation


def test_in_the_turn_that_asked_nobody_has_agreed(confirmation: Confirmation) -> None:
    assert confirmation.is_pending
    assert confirmation.code_for(RESERVE, SEATS) is None


def test_a_later_yes_brings_the_code_for_exactly_that(confirmation: Confirmation) -> None:
    confirmation.add_caller_turn("Yes.")
    assert confirmation.code_for(RESERVE, SEATS) == "code"
    assert confirmation.code_for(RESERVE, {"seats": 3}) is None
    other = RESERVE.model_copy(update={"tool": "release"})
    assert confirmation.code_for(other, SEATS) is None


def test_what_was_done_is_not_agreed_to_twice(confirmation: Confirmation) -> None:
    confirmation.add_caller_turn("Yes.")
    confirmation.clear()
    assert not confirmation.is_pending
    assert confirmation.code_for(RESERVE, SEATS) is None


@pytest.mark.parametrize("words", ["What does a seat cost?", "Nine o'clock.", "Hm.", "Good?", ""])
def test_what_is_no_yes_agrees_to_nothing_and_the_question_stands(
    confirmation: Confirmation, words: str
) -> None:
    confirmation.add_caller_turn(words)
    assert confirmation.code_for(RESERVE, SEATS) is None
    assert confirmation.is_pending
    confirmation.add_caller_turn("Yes.")
    assert confirmation.code_for(RESERVE, SEATS) == "code"


def test_a_refusal_stands_until_it_is_asked_again(confirmation: Confirmation) -> None:
    confirmation.add_caller_turn("No.")
    assert confirmation.code_for(RESERVE, SEATS) is None
    confirmation.add_caller_turn("What does a seat cost?")
    assert not confirmation.is_pending
    assert confirmation.code_for(RESERVE, SEATS) is None
    confirmation.add_request(RESERVE, SEATS, REQUEST)
    confirmation.add_caller_turn("Yes.")
    assert confirmation.code_for(RESERVE, SEATS) == "code"


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome("", {"status": "ok", "confirmation_code": "code"}),
        Outcome("", {"status": "needs_confirmation"}),
        Outcome("", {}),
    ],
)
def test_other_answers_ask_for_nothing(outcome: Outcome) -> None:
    confirmation = Confirmation()
    assert not confirmation.add_request(RESERVE, SEATS, outcome)
    assert not confirmation.is_pending
