"""Where a turn's time went: the parts, the rest, and the whole."""

import pytest

from orchestrator.agent.timing import TurnClock


@pytest.fixture
def clock() -> TurnClock:
    """A clock of a turn whose last word was spoken at 100."""
    clock = TurnClock()
    clock.start_turn(100.0)
    return clock


def test_the_parts_and_the_rest_are_the_whole(clock: TurnClock) -> None:
    clock.add("hearing", 0.3)
    clock.add("model", 0.2)
    clock.add("model", 0.4)
    clock.add("speech", 0.1)
    parts = clock.finish_turn(101.5)
    assert parts == {"hearing": 0.3, "model": 0.6, "speech": 0.1, "ours": 0.5, "total": 1.5}


def test_the_rest_is_never_less_than_nothing(clock: TurnClock) -> None:
    clock.add("model", 3.0)
    assert clock.finish_turn(101.0) == {"model": 3.0, "ours": 0.0, "total": 1.0}


def test_what_comes_after_the_first_words_does_not_count(clock: TurnClock) -> None:
    clock.add("model", 0.5)
    clock.mark_answered()
    clock.add("tools", 8.0)
    clock.add("speech", 0.25)
    assert clock.finish_turn(101.0) == {"model": 0.5, "speech": 0.25, "ours": 0.25, "total": 1.0}


def test_a_block_is_measured_even_where_it_fails(clock: TurnClock) -> None:
    with pytest.raises(ZeroDivisionError), clock.measure("retrieval"):
        raise ZeroDivisionError
    assert "retrieval" in (clock.finish_turn(101.0) or {})


def test_a_new_turn_begins_with_nothing(clock: TurnClock) -> None:
    clock.add("model", 0.5)
    clock.mark_answered()
    clock.start_turn(200.0)
    clock.add("tools", 0.5)
    assert clock.finish_turn(201.0) == {"tools": 0.5, "ours": 0.5, "total": 1.0}


def test_a_turn_is_reported_once(clock: TurnClock) -> None:
    assert clock.finish_turn(101.0) is not None
    assert clock.finish_turn(102.0) is None


@pytest.mark.parametrize("started", [None, 99.0])
def test_an_answer_that_did_not_follow_is_not_reported(
    clock: TurnClock, started: float | None
) -> None:
    assert clock.finish_turn(started) is None


def test_the_greeting_answers_nobody() -> None:
    assert TurnClock().finish_turn(101.0) is None
