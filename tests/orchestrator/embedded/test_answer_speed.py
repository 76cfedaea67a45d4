"""How fast the language model has answered lately, by a clock of the test's."""

from orchestrator.embedded.answer_speed import AnswerSpeed


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_the_median_of_the_last_minute_counts() -> None:
    clock = Clock()
    speed = AnswerSpeed(clock)
    for wait in (9.0, 1.0):
        speed.add(wait, 20.0)
    assert speed.report() == {"tokens_per_second": 20.0, "wait_seconds": None}  # too few
    speed.add(2.0, None)
    assert speed.report() == {"tokens_per_second": 20.0, "wait_seconds": 2.0}
    clock.now += 61
    assert speed.wait is None
    for _ in range(30):
        speed.add(0.123456, 17.28)
    assert speed.report() == {"tokens_per_second": 17.3, "wait_seconds": 0.12}


def test_an_answer_without_words_is_no_answer() -> None:
    speed = AnswerSpeed()
    for _ in range(5):
        speed.add(None, None)
    assert speed.report() == {"tokens_per_second": None, "wait_seconds": None}
