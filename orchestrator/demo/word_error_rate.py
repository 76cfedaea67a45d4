"""Word error rate between texts, after numbers are written alike."""

import re
from collections.abc import Sequence

from orchestrator.embedded.text_normalization import number_in_words

_MAX_NUMBER_DIGITS = 4  # a longer number is a telephone number, spoken digit by digit
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


def normalize_words(text: str) -> list[str]:
    """Return the words of a text in lower case, without punctuation, numbers as words."""
    text = text.lower().replace("\u2019", "'")
    text = re.sub(r"\b(\d{1,2}):(\d{2})\b", _clock, text)
    text = re.sub(r"\d+(?:st|nd|rd|th)\b", _ordinal, text)
    text = re.sub(r"\b\d[\d() -]{4,}\d\b", _telephone, text)
    text = re.sub(r"\d[\d,]*(?:\.\d+)?", _number, text)
    words: list[str] = re.findall(r"[a-z']+", text.replace("-", " "))
    return " ".join(_CONTRACTIONS.get(word, word.strip("'")) for word in words).split()


def edit_distance(expected: Sequence[str], heard: Sequence[str]) -> int:
    """Return the Levenshtein distance in words."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(expected, 1):
        previous, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (word != other))
    return row[-1]


def word_error_rate(pairs: Sequence[tuple[str, str]]) -> float:
    """Return the word error rate over all pairs of (said, heard), from 0."""
    words = sum(len(normalize_words(said)) for said, _ in pairs)
    wrong = sum(
        edit_distance(normalize_words(said), normalize_words(heard)) for said, heard in pairs
    )
    return wrong / max(words, 1)


def _clock(match: re.Match[str]) -> str:
    hour, minute = int(match[1]), int(match[2])
    return _number_words(str(hour)) + (f" {_number_words(str(minute))}" if minute else "")


def _telephone(match: re.Match[str]) -> str:
    return " ".join(_number_words(digit) for digit in match[0] if digit.isdigit())


def _ordinal(match: re.Match[str]) -> str:
    return number_in_words(int(match[0][:-2]), to="ordinal")


def _number(match: re.Match[str]) -> str:
    digits = match[0].replace(",", "").rstrip(".")
    if len(digits) > _MAX_NUMBER_DIGITS and digits.isdigit():
        return " ".join(_number_words(digit) for digit in digits)
    return _number_words(digits)


def _number_words(number: str) -> str:
    value = float(number) if "." in number else int(number)
    return number_in_words(value, to="cardinal").replace(" and ", " ")
