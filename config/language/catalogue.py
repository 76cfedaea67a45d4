"""Catalogues of the sentences that callers hear.

A package that speaks has a folder `sentences` with one file a language, such as `en.yaml`: names
of sentences, and ICU messages with named parts
(https://unicode-org.github.io/icu/userguide/format_parse/messages/). What a language says
otherwise, by number or by kind, is a `plural` or `select` inside the message.
"""

import re
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from datetime import date, datetime, time
from decimal import Decimal
from functools import lru_cache
from importlib.resources import files

from icu4py.messageformat import MessageFormat

from config import plain_yaml

Part = str | int | float | Decimal | date | time

DEFAULT = "en"
# The language of whoever is spoken to: of a tool's caller, or of the caller of a job's only call.
LANGUAGE: ContextVar[str] = ContextVar("language", default=DEFAULT)

_MOST_CATALOGUES = 500  # in memory: clients name languages as they like
_NOON = time(12)
_NEW_YEAR = date(2000, 1, 1)
_TOKEN = re.compile(r"'[{}|#][^']*'|[{}]|[^{}']+|'")


class MissingPartError(LookupError):
    """A message has a part that its caller does not give: ICU would say `{name}`."""


class Message:
    """One sentence of one language, with named parts."""

    def __init__(self, pattern: str, language: str) -> None:
        """Parse `pattern`.

        Raises:
            ValueError: it is no ICU message.
        """
        self._format = MessageFormat(pattern, language)
        self.parts = frozenset(_part_names(pattern))

    def format(self, parts: Mapping[str, Part]) -> str:
        """Return the sentence with its parts.

        Raises:
            MissingPartError: a part is missing.
        """
        if missing := self.parts - parts.keys():
            raise MissingPartError(", ".join(sorted(missing)))
        return self._format.format({name: _to_icu(part) for name, part in parts.items()})


class Catalogue:
    """The sentences of one package, in the language of whoever is spoken to."""

    def __init__(self, package: str) -> None:
        self._package = package

    def __call__(self, sentence: str, /, **parts: Part) -> str:
        """Return a sentence in the current language, or in English where that has none.

        Raises:
            KeyError: there is no such sentence.
            MissingPartError: a part of it is not given.
        """
        messages = load_messages(self._package, LANGUAGE.get())
        return messages[sentence].format(parts)


@lru_cache(maxsize=_MOST_CATALOGUES)
def load_messages(package: str, language: str) -> Mapping[str, Message]:
    """Return the messages of a package, by name; those that a language lacks are English.

    `language` is a BCP 47 tag: `de-AT` is `de` where there is no file of its own.
    """
    for tag in (language, language.partition("-")[0]):
        if patterns := read_patterns(package, tag):
            own = {name: Message(pattern, language) for name, pattern in patterns.items()}
            return own if tag == DEFAULT else {**load_messages(package, DEFAULT), **own}
    return load_messages(package, DEFAULT)


def read_patterns(package: str, language: str) -> dict[str, str]:
    """Return the patterns in a package's file of one language; empty if there is none."""
    path = files(package) / "sentences" / f"{language}.yaml"
    if not re.fullmatch(r"[\w-]+", language) or not path.is_file():
        return {}
    patterns: dict[str, str] = plain_yaml.load(path.read_text(encoding="utf-8"))
    return patterns


def split_pattern(pattern: str) -> Iterator[tuple[str, int]]:
    """Yield the pieces of a pattern: braces and what is between them, with its depth.

    Text that is spoken has an even depth; the name of a part and what is said of it, an odd one.
    """
    depth = 0
    for match in _TOKEN.finditer(pattern):
        piece = match[0]
        depth += {"}": -1}.get(piece, 0)
        yield piece, depth
        depth += {"{": 1}.get(piece, 0)


def _part_names(pattern: str) -> Iterator[str]:
    opened = False
    for piece, depth in split_pattern(pattern):
        if opened:
            yield piece.partition(",")[0].strip()
        opened = piece == "{" and depth % 2 == 0


def _to_icu(part: Part) -> str | int | float | Decimal | datetime:
    """Return a value that ICU prints as it is, whatever time zone this process is in.

    ICU reads days and times in that zone, where its clocks may skip them.
    """
    if isinstance(part, date):
        return datetime.combine(part, _NOON)
    return datetime.combine(_NEW_YEAR, part) if isinstance(part, time) else part
