"""A language that nobody translated: English sentences in Greek letters, parts by Greek rules.

What is still in Latin letters did not come from a catalogue, or is data.
"""

import re
from collections.abc import Collection, Generator
from contextlib import contextmanager
from unittest.mock import patch

from config.language import catalogue

PSEUDO = "el"
_LATIN = "abcdefghijklmnopqrstuvwxyz"
_GREEK = "αβψδεφγηιξκλμνοπθρστυϐωχυζ"
_LETTERS = str.maketrans(_LATIN + _LATIN.upper(), _GREEK + _GREEK.upper())
_WORD = re.compile(r"[A-Za-z]+")


def pseudo_translate(pattern: str) -> str:
    """Return an English message with everything that is spoken in Greek letters."""
    return "".join(
        piece.translate(_LETTERS) if depth % 2 == 0 and piece not in "{}" else piece
        for piece, depth in catalogue.split_pattern(pattern)
    )


def latin_words(said: str, data: Collection[str] = ()) -> list[str]:
    """Return the Latin words of a sentence but for those of `data`, such as names."""
    known = {word for text in data for word in _WORD.findall(text)}
    return [word for word in _WORD.findall(said) if word not in known]


@contextmanager
def pseudo_locale() -> Generator[None]:
    """Speak the pseudo-language: with `LANGUAGE_KEY: PSEUDO` in a request, or `LANGUAGE.set`."""
    read = catalogue.read_patterns

    def patterns(package: str, language: str) -> dict[str, str]:
        if language != PSEUDO:
            return read(package, language)
        english = read(package, catalogue.DEFAULT)
        return {name: pseudo_translate(pattern) for name, pattern in english.items()}

    catalogue.load_messages.cache_clear()
    with patch.object(catalogue, "read_patterns", patterns):
        yield
    catalogue.load_messages.cache_clear()
