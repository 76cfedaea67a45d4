"""How well words were heard: word error rate over texts whose numbers are written alike."""

import re
from collections.abc import Sequence

from orchestrator.embedded.text_normalization import number_in_words

_LONGEST_COUNT = 4  # a longer number is a telephone number, spoken digit by digit
_CONTRACTIONS = {
    "i'd": "i would",
    "i'm": "i am",
    "i'll": "i will",
    "what's": "what is",
    "that's": "that is",
    "don't": "do not",
    "can't": "can not",
    "cannot": "can not",
    "it's": "it is",
    "you're": "you are",
    "we're": "we are",
    "okay": "ok",
}


def normalised(text: str) -> list[str]:
    """Return the words of a text as they are spoken: numbers as words, no case, no marks."""
    text = text.lower().replace("\u2019", "'")
    text = re.sub(r"\b(\d{1,2}):(\d{2})\b", _clock, text)
    text = re.sub(r"\d+(?:st|nd|rd|th)\b", _ordinal, text)
    text = re.sub(r"\b\d[\d() -]{4,}\d\b", _telephone, text)
    text = re.sub(r"\d[\d,]*(?:\.\d+)?", _number, text)
    words: list[str] = re.findall(r"[a-z']+", text.replace("-", " "))
    return " ".join(_CONTRACTIONS.get(word, word.strip("'")) for word in words).split()


def edits(expected: Sequence[str], heard: Sequence[str]) -> int:
    """Return how many words have to be added, dropped or changed (Levenshtein)."""
    row = list(range(len(heard) + 1))
    for i, want in enumerate(expected, 1):
        previous, row[0] = row[0], i
        for j, got in enumerate(heard, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (want != got))
    return row[-1]


def word_error_rate(pairs: Sequence[tuple[str, str]]) -> float:
    """Return the share of words heard wrongly over all pairs of (said, heard)."""
    words = sum(len(normalised(said)) for said, _ in pairs)
    wrong = sum(edits(normalised(said), normalised(heard)) for said, heard in pairs)
    return wrong / max(words, 1)


def _clock(match: re.Match[str]) -> str:
    hour, minute = int(match[1]), int(match[2])
    return _said(str(hour)) + (f" {_said(str(minute))}" if minute else "")


def _telephone(match: re.Match[str]) -> str:
    return " ".join(_said(digit) for digit in match[0] if digit.isdigit())


def _ordinal(match: re.Match[str]) -> str:
    return number_in_words(int(match[0][:-2]), to="ordinal")


def _number(match: re.Match[str]) -> str:
    digits = match[0].replace(",", "").rstrip(".")
    if len(digits) > _LONGEST_COUNT and digits.isdigit():
        return " ".join(_said(digit) for digit in digits)
    return _said(digits)


def _said(number: str) -> str:
    value = float(number) if "." in number else int(number)
    return number_in_words(value, to="cardinal").replace(" and ", " ")
