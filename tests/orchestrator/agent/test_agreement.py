"""A yes is a turn of the caller's after the question, and no refusal."""

from typing import Any

import pytest

from orchestrator.agent.agreement import Agreement, refuses
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
ASKS = Outcome("", {"status": "needs_confirmation", "confirmation_code": "code"}, "Shall I?")


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
    assert refuses(words)


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
    assert not refuses(words)


@pytest.fixture
def asked() -> Agreement:
    """An agreement that was asked for in the caller's first turn."""
    agreement = Agreement()
    agreement.caller_said("Two seats for tonight.")
    assert agreement.asked(RESERVE, SEATS, ASKS)
    return agreement


def test_in_the_turn_that_asked_nobody_has_agreed(asked: Agreement) -> None:
    assert asked.waiting
    assert asked.code_for(RESERVE, SEATS) is None


def test_a_later_yes_brings_the_code_for_exactly_that(asked: Agreement) -> None:
    asked.caller_said("Yes.")
    assert asked.code_for(RESERVE, SEATS) == "code"
    assert asked.code_for(RESERVE, {"seats": 3}) is None
    other = RESERVE.model_copy(update={"tool": "release"})
    assert asked.code_for(other, SEATS) is None


def test_what_was_done_is_not_agreed_to_twice(asked: Agreement) -> None:
    asked.caller_said("Yes.")
    asked.settle()
    assert not asked.waiting
    assert asked.code_for(RESERVE, SEATS) is None


def test_a_refusal_stands_until_it_is_asked_again(asked: Agreement) -> None:
    asked.caller_said("No.")
    assert asked.code_for(RESERVE, SEATS) is None
    asked.caller_said("What does a seat cost?")
    assert not asked.waiting
    assert asked.code_for(RESERVE, SEATS) is None
    asked.asked(RESERVE, SEATS, ASKS)
    asked.caller_said("Yes.")
    assert asked.code_for(RESERVE, SEATS) == "code"


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome("", {"status": "ok", "confirmation_code": "code"}),
        Outcome("", {"status": "needs_confirmation"}),
        Outcome("", {}),
    ],
)
def test_other_answers_ask_for_nothing(outcome: Outcome) -> None:
    agreement = Agreement()
    assert not agreement.asked(RESERVE, SEATS, outcome)
    assert not agreement.waiting
