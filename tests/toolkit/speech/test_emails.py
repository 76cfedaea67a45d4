"""How e-mail addresses are said."""

import pytest

from toolkit.speech.emails import spoken_email


@pytest.mark.parametrize(
    ("said", "written"),
    [
        (" ann@example.com ", "ann@example.com"),
        ("Ann@Example.com.", "Ann@Example.com"),
        ("Tom dot Hill at example dot com", "tom.hill@example.com"),
        ("tom.hill at example.com.", "tom.hill@example.com"),
        (
            "ann underscore b dash c plus d at my hyphen yard dot co dot in",
            "ann_b-c+d@my-yard.co.in",
        ),
        ("My email is Ann@example.com", "Ann@example.com"),
        ("my e-mail address is ann at example dot com", "ann@example.com"),
        ("It's  chris at example dot com?", "chris@example.com"),
        ("chris at example dot com", "chris@example.com"),
    ],
)
def test_an_address_is_heard(said: str, written: str) -> None:
    assert spoken_email(said) == written


@pytest.mark.parametrize(
    "said",
    [
        "",
        "ann",
        "ann@home",
        "a@b@c.de",
        "Ann ann@example.com",
        "Ann at the boat yard",
        "dot at dot",
    ],
)
def test_other_words_are_no_address(said: str) -> None:
    assert spoken_email(said) is None
