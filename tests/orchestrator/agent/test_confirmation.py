"""A yes is a turn of the caller's after the question, and no refusal."""

from typing import Any

import pytest

from orchestrator.agent.confirmation import Confirmation, is_refusal
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


@pytest.mark.parametrize(
    "words",
    [
        "No.",
        "no thanks",
        "Nope, that's not it.",
        "Nah, leave it.",
        "I don't think so.",
        "I don\u2019t want that.",
        "That isn't right.",
        "I can't come then.",
        "Wait a moment.",
        "Hold on, please.",
        "Stop!",
        "That is wrong.",
        "I would rather come on Friday.",
        "Make it three seats instead.",
        "Yes. No, wait.",
        "Please never do that.",
        "Cancel that.",
    ],
)
def test_a_refusal_is_heard_as_one(words: str) -> None:
    assert is_refusal(words)


@pytest.mark.parametrize(
    "words",
    [
        "Yes.",
        "Yes please, go ahead.",
        "No problem, do it.",
        "Why not?",
        "Sure, no worries.",
        "That is not a problem.",
        "I have no objection.",
        "I know, yes.",
        "Another note: yes.",
        "",
    ],
)
def test_everything_else_is_left_to_the_model(words: str) -> None:
    assert not is_refusal(words)


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
