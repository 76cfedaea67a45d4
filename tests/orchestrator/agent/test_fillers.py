from orchestrator.agent.fillers import Fillers, all_sentences, name_work


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


def test_the_first_one_sounds_a_while_after_the_callers_last_sound() -> None:
    clock = Clock()
    fillers = Fillers(1.5, clock)
    fillers.start_turn(asked_at=clock.time - 0.9)  # heard and understood since
    delay = fillers.delay
    assert delay is not None
    assert 0.3 < delay < 0.6


def test_where_hearing_took_long_the_answer_still_has_a_moment() -> None:
    clock = Clock()
    fillers = Fillers(1.5, clock)
    fillers.start_turn(asked_at=clock.time - 9)
    delay = fillers.delay
    assert delay is not None
    assert 0.2 < delay < 0.6


def test_others_come_at_most_every_four_seconds_and_none_twice_in_a_turn() -> None:
    clock = Clock()
    fillers = Fillers(1.5, clock)
    fillers.start_turn(None)
    spoken: list[str] = []
    while (delay := fillers.delay) is not None:
        assert not spoken or delay >= 4
        clock.time += delay
        spoken.append(str(fillers.take()))
    assert len(spoken) == len(set(spoken)) >= 3
    assert fillers.take() is None
    assert set(spoken) <= set(all_sentences())
    fillers.start_turn(None)
    assert fillers.take() == spoken[0]


def test_a_sentence_that_names_the_work_comes_first_but_not_twice() -> None:
    fillers = Fillers(1.5)
    fillers.start_turn(None)
    calendar = name_work("scheduling")
    assert fillers.take("Wait for it.", calendar) == "Wait for it."
    assert fillers.take("Wait for it.", calendar) == calendar
    assert fillers.take("Wait for it.", calendar) not in {"Wait for it.", calendar}
    assert name_work("an-external-server") is None


def test_fillers_are_taken_off_what_was_said() -> None:
    fillers = Fillers(1.5)
    fillers.start_turn(None)
    first, second = fillers.take(), fillers.take()
    assert fillers.remove_from(f"{first} {second}  It is open.") == "It is open."
    assert fillers.remove_from(f"{first} ") == ""
    assert fillers.remove_from(f"It is open. {first}") == f"It is open. {first}"
    assert Fillers(1.5).remove_from(f"{first} It is open.") == f"{first} It is open."


def test_a_bot_that_wants_none_has_none() -> None:
    fillers = Fillers(-1)
    fillers.start_turn(None)
    assert fillers.delay is None
