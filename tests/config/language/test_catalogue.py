"""Sentences in catalogues: parts, languages, and what happens where one is missing."""

from collections.abc import Iterator
from datetime import date, time
from pathlib import Path

import pytest

from config.language.catalogue import (
    LANGUAGE,
    Catalogue,
    Message,
    MissingPartError,
    load_messages,
)

ENGLISH = """
greeting: "Hello {name}, it's nice to hear you."
leads: "I found {count, plural, one{one lead} other{# leads}}."
booked: "Booked on {day, date, ::EEEEMMMMd} at {at, time, ::Bhmm}."
only_english: "Goodbye."
"""
GERMAN = """
greeting: "Hallo {name}."
leads: "{count, plural, one{Ein Kontakt} other{# Kontakte}}."
booked: "Gebucht: {day, date, ::EEEEMMMMd}, {at, time, ::Hmm}."
"""


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Catalogue]:
    """The catalogue of a package that speaks English and German."""
    package = f"speaker_{tmp_path.name}"
    folder = tmp_path / package / "sentences"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    (folder / "en.yaml").write_text(ENGLISH, encoding="utf-8")
    (folder / "de.yaml").write_text(GERMAN, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    token = LANGUAGE.set("en")
    yield Catalogue(package)
    LANGUAGE.reset(token)
    load_messages.cache_clear()


def test_a_sentence_has_its_parts(say: Catalogue) -> None:
    assert say("greeting", name="Tom {x}") == "Hello Tom {x}, it's nice to hear you."
    assert [say("leads", count=n) for n in (1, 2)] == ["I found one lead.", "I found 2 leads."]


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo", "Africa/Cairo"])
def test_days_and_times_do_not_depend_on_the_machine(
    say: Catalogue, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", zone)
    said = say("booked", day=date(2026, 3, 8), at=time(2, 30))
    assert said == "Booked on Sunday, March 8 at 2:30 in the morning."


@pytest.mark.parametrize("language", ["de", "de-AT"])
def test_the_language_is_the_caller_s(say: Catalogue, language: str) -> None:
    LANGUAGE.set(language)
    assert say("leads", count=2) == "2 Kontakte."
    assert say("booked", day=date(2026, 12, 3), at=time(15)) == (
        "Gebucht: Donnerstag, 3. Dezember, 15:00."
    )
    assert say("only_english") == "Goodbye."


@pytest.mark.parametrize("language", ["fr", "xx", "../../etc/passwd", ""])
def test_where_a_language_is_missing_it_is_english(say: Catalogue, language: str) -> None:
    LANGUAGE.set(language)
    assert say("greeting", name="Tom").startswith("Hello Tom")


def test_a_part_that_is_missing_is_no_braces_in_what_callers_hear(say: Catalogue) -> None:
    with pytest.raises(MissingPartError, match="name"):
        say("greeting")
    with pytest.raises(KeyError):
        say("farewell")


@pytest.mark.parametrize(
    ("pattern", "parts"),
    [
        ("{a} and { b }", {"a", "b"}),
        ("{n, plural, one{lead} other{{n, spellout} leads of {company}}}", {"n", "company"}),
        ("{kind, select, yes{booked} other{{who} asks}}", {"kind", "who"}),
        ("no part, but '{braces}'", set[str]()),
    ],
)
def test_a_message_knows_its_parts(pattern: str, parts: set[str]) -> None:
    assert Message(pattern, "en").parts == parts


def test_a_broken_message_is_refused() -> None:
    with pytest.raises(ValueError, match="U_"):
        Message("{name", "en")
