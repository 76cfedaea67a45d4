"""Whether a name, a number or an address is a caller's, however it was said."""

import pytest

from toolkit.speech.people import (
    as_phone_number,
    digits,
    fold,
    is_same_number,
    is_similar,
    significant_digits,
    similar_prefixes,
    similarity,
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("+49 30 5550142", "+49305550142"),
        ("+49 30 5550142", "0049 (30) 555-0142"),
        ("+49 30 5550142", "030 5550142"),
        ("+49 30 5550142", "305550142"),
        ("+49 30 5550142", "5550142"),
        ("030 / 555 01 42", "305550142"),
        ("+1 (555) 013-4477", "555-013-4477"),
        ("+1 555 013 4477", "1-555-013-4477"),
        ("+91 98765 43210", "098765 43210"),
        ("+44 20 7946 0958", "020 7946 0958"),
        ("555 01", "55501"),
    ],
)
def test_two_ways_of_writing_a_number_are_one_line(one: str, other: str) -> None:
    assert is_same_number(one, other)
    assert is_same_number(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("+49 30 5550142", "+49 30 5550143"),
        ("+49 30 5550142", "+44 30 5550142"),
        ("+49 30 5550142", "+49 40 5550142"),
        ("030 5550142", "040 5550142"),
        ("+49 30 5550142", "0142"),
        ("5550142", "0142"),
        ("555 01", "555 02"),
        ("", ""),
        ("", "+49 30 5550142"),
        ("none", "nothing"),
    ],
)
def test_two_numbers_are_two_lines(one: str, other: str) -> None:
    assert not is_same_number(one, other)
    assert not is_same_number(other, one)


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("Tom Hill", "tom hill"),
        ("Hill", "Tom Hill"),
        ("Hill Tom", "Tom Hill"),
        ("Tom Hall", "Tom Hill"),
        ("Thom Hil", "Tom Hill"),
        ("Rene Muller", "René Müller"),
        ("Katrin Mayer", "Kathrin Meyer"),
        ("Jon O'Brien", "John O\u2019Brien"),
        ("Ann Maria Berg", "Anna-Maria Berg"),
        ("Strasse", "Straße"),
        ("Catherine", "Katherine Brandt"),
        ("Brand", "Katherine Brandt"),
    ],
)
def test_a_name_is_alike_as_it_is_heard(said: str, written: str) -> None:
    assert is_similar(said, written)


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("Tom Hill", "Ann Berg"),
        ("Tom Hill", "Tom Smith"),
        ("Ann", "Jan Berg"),
        ("1005", "No. 105"),
        ("Catherine Hill", "Katherine Brandt"),
        ("Ann", "Stefan Hermann"),
        ("", "Tom Hill"),
        ("Tom Hill", ""),
        ("!!!", "???"),
    ],
)
def test_another_name_is_not_alike(said: str, written: str) -> None:
    assert not is_similar(said, written)


def test_the_liker_name_is_told_from_the_less_like() -> None:
    assert similarity("Tom Hill", "Tom Hill") == similarity("Hill", "Tom Hill") == 1
    assert similarity("Tom Hill", "Tom Hall") > similarity("Tom Hill", "Tim Hallmann")
    assert similarity("Tom Hill", "") == 0
    assert 1 > similarity("Catherine", "Katherine Brandt") > similarity("Catherine", "Karin Brandt")


def test_names_are_looked_for_by_how_they_may_begin() -> None:
    assert similar_prefixes(["catherine", "tom"], 2) == [
        "ca",
        "do",
        "ga",
        "ka",
        "qa",
        "sa",
        "to",
        "xa",
        "za",
    ]
    assert similar_prefixes(["tom", "dora"], 1) == ["d", "t"]
    assert similar_prefixes(["łukasz"], 2) == ["łu"]
    assert similar_prefixes([], 2) == []


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("+49 30 5550142", "+49305550142"),
        ("five five five zero one four two", "5550142"),
        ("double five five, oh one four two", "5550142"),
        ("plus four nine, three oh, double five five zero one four two", "+49305550142"),
        ("my phone number is 555 0142", "5550142"),
        ("it's 555-0142.", "5550142"),
        ("(030) 555/0142", "0305550142"),
        ("Tom Hill", None),
        ("Unit 5550142", None),
        ("12 Main Street", None),
        ("case 5550142", None),
        ("4711", None),
        ("1" * 20, None),
        ("oh", None),
        ("", None),
        ("a_5550142", None),
    ],
)
def test_a_number_is_told_from_other_words(text: str, number: str | None) -> None:
    assert as_phone_number(text) == number


def test_a_number_is_looked_for_by_its_end() -> None:
    assert significant_digits("+49 (30) 555-0142") == "5550142"
    assert significant_digits("0142") == "0142"
    assert digits("+49 x 30") == "4930"


def test_names_are_compared_bare() -> None:
    assert fold("  René   O'BRIEN-Müller, Jr. ") == "rene o brien muller jr"
