"""Word error rates do not count a number that is only written differently."""

import pytest

from orchestrator.demo.word_error_rate import word_error_rate


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("Three o'clock, please.", "3 o'clock please"),
        ("My number is five five five, zero one four two.", "My number is 555-0142."),
        ("It costs forty pounds.", "It costs 40 pounds."),
        ("At half past ten on the third.", "at half past 10 on the 3rd"),
        ("At ten thirty", "At 10:30"),
        ("I'd like that", "I would like that"),
        ("four hundred twenty-seven", "427"),
    ],
)
def test_the_same_words_written_differently_are_no_error(said: str, heard: str) -> None:
    assert word_error_rate([(said, heard)]) == 0


@pytest.mark.parametrize(
    ("said", "heard", "rate"),
    [
        ("one two three four", "one two three", 0.25),
        ("one two three four", "one two five four", 0.25),
        ("yes", "yes indeed", 1.0),
        ("it costs 40 pounds", "it costs 14 pounds", 0.25),
        ("", "", 0.0),
    ],
)
def test_each_added_dropped_or_changed_word_is_one(said: str, heard: str, rate: float) -> None:
    assert word_error_rate([(said, heard)]) == rate


def test_pairs_are_weighed_by_their_words() -> None:
    assert word_error_rate([("a b c d e f g h i", "a b c d e f g h i"), ("j", "k")]) == 0.1
