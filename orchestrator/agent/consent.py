"""Whether a caller's answer agrees to what was read back: in the language of the call, and English.

Only an answer that is shaped like a yes agrees. One file a language in the folder `consent` has
the words: those that agree wherever they stand (`agree`), those that agree as a short answer
(`short`), those that refuse, put off or change (`refuse`), and those that only look as if they did
(`no_refusal`).
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from config import plain_yaml
from config.language.catalogue import DEFAULT, LANGUAGE

Words = tuple[str, ...]

_SHORT_ANSWER = 6  # words
_QUESTION = re.compile(r"[^.!?\u061f\u0964]*[?\u061f]")
_INVISIBLE = re.compile(r"[\u200b-\u200f\u2060\ufeff\u064b-\u0652]")  # and Arabic vowel signs
_SAME_LETTERS = str.maketrans({"\u0901": "\u0902", "\u0623": "\u0627", "\u0625": "\u0627"})


@dataclass(frozen=True)
class _Phrases:
    """What agrees and refuses in one language, as sequences of words."""

    agree: Sequence[Words]
    short: Sequence[Words]
    refuse: Sequence[Words]
    no_refusal: Sequence[Words]


def is_agreement(text: str) -> bool:
    """Return whether an answer agrees, and does nothing else."""
    words = _split(_QUESTION.sub(" ", text))
    if not words or is_refusal(text):
        return False
    short = len(words) <= _SHORT_ANSWER
    return any(
        _contains(words, each.agree) or (short and _contains(words, each.short))
        for each in _phrases()
    )


def is_refusal(text: str) -> bool:
    """Return whether an answer refuses, puts off or changes what was asked."""
    words = _split(text)
    for each in _phrases():
        words = _without(words, each.no_refusal)
    return any(word.endswith("n't") for word in words) or any(
        _contains(words, each.refuse) for each in _phrases()
    )


def _phrases() -> list[_Phrases]:
    language = LANGUAGE.get().partition("-")[0]
    return [_load(each) for each in dict.fromkeys((language, DEFAULT)) if _exists(each)]


@cache
def _exists(language: str) -> bool:
    folder = files("orchestrator") / "agent" / "consent"
    return language.isalpha() and (folder / f"{language}.yaml").is_file()


@cache
def _load(language: str) -> _Phrases:
    path = files("orchestrator") / "agent" / "consent" / f"{language}.yaml"
    read: Mapping[str, list[str]] = plain_yaml.load(path.read_text("utf-8"))
    return _Phrases(**{name: [_split(each) for each in said] for name, said in read.items()})


def _split(text: str) -> Words:
    """Return the words of a text as they are compared; accents stay, for "si" is no "sí"."""
    plain = unicodedata.normalize("NFC", _INVISIBLE.sub("", text)).casefold()
    plain = plain.replace("\u2019", "'").translate(_SAME_LETTERS)
    return tuple(word for word in re.split(r"[^\w'\u0900-\u0d7f]+", plain) if word.strip("'"))


def _contains(words: Words, phrases: Sequence[Words]) -> bool:
    return any(_find(words, phrase) is not None for phrase in phrases)


def _without(words: Words, phrases: Sequence[Words]) -> Words:
    for phrase in phrases:
        while (at := _find(words, phrase)) is not None:
            words = (*words[:at], *words[at + len(phrase) :])
    return words


def _find(words: Words, phrase: Words) -> int | None:
    starts = range(len(words) - len(phrase) + 1)
    return next((at for at in starts if words[at : at + len(phrase)] == phrase), None)
