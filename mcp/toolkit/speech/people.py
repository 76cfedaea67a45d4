"""Compares names and phone numbers as they are heard with those that are stored."""

import re
import unicodedata
from collections.abc import Iterator, Sequence

from anyascii import anyascii
from phonenumbers import MatchType, convert_alpha_characters_in_number, is_number_match
from rapidfuzz.fuzz import ratio, token_set_ratio

from toolkit.speech.numbers import spoken_phone_number, words_to_digits

_SIGNIFICANT = 7  # digits; fewer at the end of a number do not identify it
_SIMILAR = 0.72
_MOST_WORDS = 8  # of a name; a longer text is compared as a whole
_SAME_SOUND = 0.95
SURE = _SAME_SOUND  # a similarity from which on a name needs no other one beside it
_SAME_INITIAL = 0.9
_SAME_LENGTH = 0.6  # of two words that sound the same: vowels are not compared
_LIKE_WORDS = 0.72  # of the letters, from which on a word may be another one that was misheard
# Letters that sound alike at the beginning of a name.
_SOUNDS = ("ckqgx", "szcx", "fvwp", "ijyg", "bp", "dt", "aeiouhy", "mn")
_MIN_PHONE_DIGITS = 5  # of a text that is taken for a phone number
_PHONE_WORDS = frozenset(
    [*("oh", "o", "double", "triple", "plus", "and"), *("my", "phone", "number", "is", "it's")]
)
_EXTENSION = re.compile(r"(?:ext(?:ension|n)?\.?|x|#)\s*\d+\s*$", re.IGNORECASE)
_VANITY = re.compile(r"[\d\s().+-]*\d[\s-]*[A-Za-z]{3,}(?:-[A-Za-z]+)*")
_TITLES = frozenset(
    [
        *("mr", "mrs", "ms", "miss", "mister", "missus", "madam", "sir"),
        *("dr", "doctor", "prof", "professor", "herr", "frau"),
    ]
)
# How a name sounds: letters that are written in several ways, and what is not heard.
_SPELLINGS: tuple[tuple[str, str], ...] = (
    *((r"^mac(?=[a-z]{3})", "mc"), (r"([aou])e", r"\1"), (r"ph", "f"), (r"^gh?(?=[eiy])", "j")),
    *((r"^geo", "jo"), (r"x", "ks"), (r"ck|q", "k"), (r"c(?=[eiy])", "s"), (r"c(?!h)", "k")),
    *((r"^ch(?=r)", "k"), (r"sch|sh", "s"), (r"th", "t"), (r"dt", "t"), (r"z", "s")),
    *((r"gh", "g"), (r"g$", ""), (r"w(?=[aeiou])", "v"), (r"(?<=[aeiou])[wh]", ""), (r"h", "")),
    (r"(.)\1+", r"\1"),
)


def is_same_number(one: str, other: str) -> bool:
    """Say whether two spellings are of the same line; an extension takes no part.

    A text that is no number is no line, and so never the same.
    """
    first, second = _line(one), _line(other)
    if not first or not second:
        return False
    if min(len(digits(first)), len(digits(second))) < _SIGNIFICANT:
        return digits(first) == digits(second)
    match = is_number_match(_international(first), _international(second))
    if match in (MatchType.EXACT_MATCH, MatchType.NSN_MATCH, MatchType.SHORT_NSN_MATCH):
        return True
    # Without a country on either side, a trunk code on one of them is all that may differ.
    shorter = min(len(digits(first)), len(digits(second)))
    ends = (digits(each)[-shorter:].lstrip("0")[-_SIGNIFICANT:] for each in (first, second))
    return match == MatchType.NOT_A_NUMBER and len({*ends}) == 1


def _line(number: str) -> str:
    """Return the digits of a line, with its plus; empty if the text is no number."""
    number = _EXTENSION.sub("", number.strip())
    if _VANITY.fullmatch(number):
        number = convert_alpha_characters_in_number(number)
    if re.search(r"[^\W\d_]", number):
        return ""
    line = re.sub(r"[^\d+]", "", number.replace("(0)", ""))
    return line if digits(line).strip("0") else ""


def digits(number: str) -> str:
    """Return the digits of a number, without all else."""
    return re.sub(r"\D", "", number)


def significant_digits(number: str) -> str:
    """Return the last digits of a number, to search for it whatever its format."""
    return digits(_line(number) or number)[-_SIGNIFICANT:]


def similarity(said: str, written: str) -> float:
    """Return the similarity of a name that was heard to one that is stored, from 0 to 1.

    A part of the stored name has similarity 1: callers give one name, or two of three. Where both
    have several words, each word of the shorter name has to be found in the other one.
    """
    first, second = _words(said), _words(written)
    if not first or not second:
        return 0.0
    if max(len(first), len(second)) > _MOST_WORDS:
        return token_set_ratio(" ".join(first), " ".join(second)) / 100
    joined = [(each, second) for each in _joinings(first)]
    joined += [(first, each) for each in _joinings(second)]
    likenesses = (_likeness(*sorted(pair, key=len)) for pair in joined)
    sure = (likeness for likeness in likenesses if likeness >= _SAME_SOUND)
    return max(_likeness(*sorted((first, second), key=len)), *sure, 0.0)


def is_similar(said: str, written: str) -> bool:
    """Say whether a name that was heard may be the stored one."""
    return similarity(said, written) >= _SIMILAR


def _words(name: str) -> list[str]:
    words = fold(anyascii(re.sub(r"['\u2018\u2019`]", "", name))).split()
    return [word for word in words if word not in _TITLES] or words


def _joinings(words: Sequence[str]) -> Iterator[list[str]]:
    """Yield the words with two neighbours as one: "Mac Kenzie", "Anne Marie"."""
    for at in range(len(words) - 1):
        yield [*words[:at], words[at] + words[at + 1], *words[at + 2 :]]


def _likeness(shorter: Sequence[str], longer: Sequence[str]) -> float:
    """Return how like the words are, if each of the shorter name is in the longer one, else 0."""
    left = list(longer)
    scores: list[float] = []
    for word in sorted(shorter, key=len, reverse=True):
        best = max(left, key=lambda other: _word_likeness(word, other))
        scores.append(_word_likeness(word, best))
        left.remove(best)
    only_initials = all(len(word) == 1 for word in shorter) and len(longer[0]) > 1
    if min(scores) < _LIKE_WORDS or only_initials:
        return min(min(scores), _SIMILAR - 0.01)
    return sum(scores) / len(scores)


def _word_likeness(one: str, other: str) -> float:
    if one == other:
        return 1.0
    if any(each.isdigit() for each in one + other):
        return 0.0
    if min(len(one), len(other)) == 1:
        return _SAME_INITIAL if one[0] == other[0] else 0.0
    first, second = _sound(one), _sound(other)
    if first == second and min(len(one), len(other)) >= _SAME_LENGTH * max(len(one), len(other)):
        return _SAME_SOUND
    if not any(_begins_alike(*pair) for pair in ((one, other), (first, second))):
        return 0.0
    return ratio(one, other) / 100


def _begins_alike(one: str, other: str) -> bool:
    return one[0] == other[0] or any({one[0], other[0]} <= {*group} for group in _SOUNDS)


def _sound(word: str) -> str:
    """Return a word as it is heard: its first sound, and its consonants."""
    for pattern, replacement in _SPELLINGS:
        word = re.sub(pattern, replacement, word)
    bare = re.sub(r"[aeiouy]", "", word[1:])
    return ("a" if word[:1] in "aeiouy" else word[:1]) + bare


def similar_prefixes(said: Sequence[str], letters: int) -> list[str]:
    """Return the prefixes, `letters` long, of names that sound like one of these words."""
    heard = {word[:letters] for word in said}
    first = {word: {c for group in _SOUNDS if word[0] in group for c in group} for word in heard}
    return sorted(heard | {f"{c}{word[1:]}" for word, others in first.items() for c in others})


def as_phone_number(text: str) -> str | None:
    """Return the digits of a text that is a phone number, and nothing but one; else None."""
    others = set(re.findall(r"[^\W\d_][\w']*", words_to_digits(text.lower()))) - _PHONE_WORDS
    number = None if others else spoken_phone_number(text)
    return number if number and len(digits(number)) >= _MIN_PHONE_DIGITS else None


def fold(name: str) -> str:
    """Return a name in lower case, without accents and punctuation."""
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    bare = "".join(char for char in decomposed if not unicodedata.combining(char))
    return " ".join(re.findall(r"\w+", bare))


def _international(number: str) -> str:
    return f"+{number[2:]}" if number.startswith("00") else number
