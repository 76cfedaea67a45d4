"""E-mail addresses as callers say them, and as they are written.

An address that is not certain is none: the caller is asked to spell it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from config.language.digits import NUMBER_WORDS, ZEROS
from toolkit.speech.numbers import read_digits

_WRITTEN = re.compile(r"[\w.+%-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)+", re.IGNORECASE | re.ASCII)
_ADDRESS = re.compile(
    r"[a-z0-9_+%-]+(?:\.[a-z0-9_+%-]+)*@(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}"
)
_SIGNS = {
    **{"dot": ".", "period": ".", "point": ".", ".": "."},
    **{"underscore": "_", "dash": "-", "hyphen": "-", "minus": "-", "plus": "+"},
}
_REWRITES: tuple[tuple[str, str], ...] = (
    (r"[\u2018\u2019]", "'"),
    (r"\bat the rate(?: of)?\b|\bat[ -]sign\b", " @ "),
    (r"@", " @ "),
    (r"\b(?:double|w) (?:you|u)\b", " w "),
    (r"\bcapital (?=[a-z]\b)", " "),
    (r"(?<=\b[a-z])-(?=[a-z]\b)", " "),
    (r"\ball (?:in )?(?:lower ?case|small letters|small|together)\b|\blower ?case\b", " "),
    (r"\bthe usual spelling\b|\bas (?:it is|you) (?:spelled|hear it)\b", " , "),
)
# One letter: "s as in Sam", "b for bravo". The word has to begin with it.
_SPELLED = re.compile(r"\b([a-z0-9]),? (?:as in|for|like|wie) ([a-z]+)\b")
_ONE_WORD = re.compile(r"\b(?:all|as|in) one word\b")
_TOKEN = re.compile(r"@|[^\s,;:!?\"()<>@]+")
_BEFORE = frozenset(
    [
        *("um", "uh", "er", "erm", "so", "well", "okay", "ok", "sure", "yes", "yeah", "right"),
        *("my", "the", "our", "an", "email", "e-mail", "mail", "id", "address", "is", "it", "it's"),
        *("its", "that", "that's", "this", "would", "be", "you", "can", "could", "send", "to"),
        *("let", "me", "see", "write", "reach", "use", "under", "contact", "please", "hi"),
        *("hello", "think", "i", "i'm", "try", "on", "work", "personal", "just", "best", "main"),
    ]
)
_AFTER = re.compile(
    r"(?:[\s,.!?]|\b(?:please|thanks|thank you|thank|you|cheers|that's it|that's all|that is it"
    r"|that's my email|okay|ok|bye|and that's it|if you can|if that's ok)\b)+$"
)
_AGAIN = re.compile(r"\b(?:again|repeat|once more|that's|that is|yes|yeah|so)\b")
_CORRECTION = re.compile(
    r"\b(?:(?<!dot )no|sorry|wait|actually|scratch that|i mean|i meant|hang on|let me start again"
    r"|that's wrong|that is wrong|correction|rather|make that)\b"
)


def spoken_email(text: str) -> str | None:
    """Return the address in `tom@acme.com` or `Tom at acme dot com`; None to ask."""
    text = " ".join(text.split())
    whole = text.rstrip(".,!? ")
    if _WRITTEN.fullmatch(whole):
        return whole if _ADDRESS.fullmatch(whole.lower()) else None
    if len(written := _WRITTEN.findall(text)) == 1 and (address := _read(text.lower())):
        return written[0] if written[0].lower() == address else None
    said = _AFTER.sub("", text.lower())
    *taken_back, last = _CORRECTION.split(said)
    addresses = {_read_repeated(part) for part in [last]}
    if any(part.strip(" ,.") for part in taken_back) and None in addresses:
        return None
    return addresses.pop()


def _read_repeated(said: str) -> str | None:
    """Return the address of a text that may say it twice; None if it says two."""
    whole = _read(said)
    if whole is not None:
        return whole
    read = [_read(part) for part in _AGAIN.split(said) if part.strip(" ,.")]
    return read[0] if read and all(each == read[0] for each in read) else None


def _read(said: str) -> str | None:
    joined = _ONE_WORD.search(said) is not None
    said = _ONE_WORD.sub(" ", said)
    for pattern, replacement in _REWRITES:
        said = re.sub(pattern, replacement, said)
    if any(word[0] != letter for letter, word in _SPELLED.findall(said) if letter.isalpha()):
        return None
    said = _SPELLED.sub(r"\1", said)
    words = _TOKEN.findall(_AFTER.sub("", said))
    tokens = ["@" if each == "at" else each for each in words]
    while tokens and tokens[0] in _BEFORE and not _is_spelled(tokens):
        tokens.pop(0)
    if tokens.count("@") != 1:
        return None
    at = tokens.index("@")
    local, domain = _Speller(joined=joined).spell(tokens[:at]), _Speller().spell(tokens[at + 1 :])
    if local is None or domain is None:
        return None
    address = f"{local}@{domain}"
    return address if _ADDRESS.fullmatch(address) else None


def _is_spelled(tokens: Sequence[str]) -> bool:
    """Return whether a letter begins what is spelled: "i r i s", and not "I am"."""
    return len(tokens[0]) == 1 and (len(tokens[1:2]) == 0 or len(tokens[1]) == 1)


@dataclass
class _Speller:
    """Writes down one side of an address; `joined` says that its words stand together."""

    joined: bool = False
    written: list[str] = field(default_factory=list[str])
    after_word: bool = False  # what was written last is a word: another one may not follow it

    def spell(self, words: Sequence[str]) -> str | None:
        """Return what the words spell; None if it is not certain."""
        position = 0
        while position < len(words):
            read = self._number(words, position) or self._part(words, position)
            if not read:
                return None
            position += read
        return "".join(self.written)

    def _number(self, words: Sequence[str], position: int) -> int:
        """Write a number, and return how many words it takes; 0 if there is none."""
        length = _number_length(words, position)
        digits = read_digits(words[position : position + length]) if length else None
        if not digits:
            return 0
        self._write(digits)
        return length

    def _part(self, words: Sequence[str], position: int) -> int:
        """Write a sign, a letter or a word; return how many words it takes, 0 if it is unclear."""
        word = words[position]
        after = words[position + 1] if position + 1 < len(words) else ""
        if word in _SIGNS:
            return self._write(_SIGNS[word])
        if word == "double" and len(after) == 1:
            return self._write(after * 2) + 1
        if not re.fullmatch(r"[a-z0-9._+%-]+", word):
            return 0
        if len(word) == 1:
            return self._spelling(words, position) if self.after_word else self._write(word)
        if self.written and self.written[-1][-1].isalpha() and not self.joined:
            return 0
        self._write(word)
        self.after_word = word[-1].isalpha()
        return 1

    def _spelling(self, words: Sequence[str], position: int) -> int:
        """Skip the letters of the word that was just written: "Kate, k a t e"."""
        last = self.written[-1]
        letters = words[position : position + len(last)]
        return len(last) if "".join(letters) == last else 0

    def _write(self, text: str) -> int:
        self.written.append(text)
        self.after_word = False
        return 1


def _number_length(words: Sequence[str], position: int) -> int:
    """Return how many words from a position on are one number; "o" is a letter, unless within."""
    end = position
    while end < len(words) and _is_number(words, end, first=end == position):
        end += 1
    return end - position


def _is_number(words: Sequence[str], at: int, *, first: bool) -> bool:
    word = words[at]
    if word in ("double", "triple") or (word == "o" and not first):
        return at + 1 < len(words) and (words[at + 1] in NUMBER_WORDS or words[at + 1] == "oh")
    return word in NUMBER_WORDS or (word in ZEROS and word != "o")
