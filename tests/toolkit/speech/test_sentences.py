"""Days, times and lists in the language of whoever is spoken to."""

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from config.language.catalogue import LANGUAGE
from tests.support.pseudo_locale import PSEUDO, latin_words, pseudo_locale
from toolkit import errors
from toolkit.speech import phrases

TODAY = datetime(2026, 11, 24, tzinfo=ZoneInfo("Europe/Berlin"))


@pytest.fixture(autouse=True)
def pseudo() -> Iterator[None]:
    """Everything is said in the pseudo-language."""
    with pseudo_locale():
        token = LANGUAGE.set(PSEUDO)
        yield
        LANGUAGE.reset(token)


@pytest.mark.parametrize("month", [11, 12])
@pytest.mark.parametrize("clock", [(12, 0), (9, 0), (9, 5), (15, 30), (20, 59)])
@pytest.mark.parametrize("year", [2026, 2028])
def test_days_and_times_are_translated(year: int, month: int, clock: tuple[int, int]) -> None:
    start = TODAY.replace(year=year, month=month, day=28, hour=clock[0], minute=clock[1])
    assert latin_words(phrases.datetime_label(start, TODAY.date())) == []


def test_lists_and_numbers_are_translated() -> None:
    assert latin_words(phrases.join_words(["Tom", "Ann", "Bob"], "and"), ["Tom Ann Bob"]) == []
    assert latin_words(phrases.join_words(["Tom", "Ann", "Bob"]), ["Tom Ann Bob"]) == []
    assert latin_words(phrases.number_words(23)) == []


def test_failures_are_told_in_the_caller_s_language() -> None:
    kinds = [
        kind
        for kind in errors.ToolFailure.__subclasses__()
        if "__init__" not in vars(kind) or kind is errors.RateLimited
    ]
    failures = [kind("x") for kind in kinds] + [errors.UnknownTool(), errors.Fault()]
    assert len(failures) == 12
    assert {word for failure in failures for word in latin_words(failure.spoken)} == set()
