"""A parser and evaluator of SOQL and SOSL, independent of the code that builds them."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from toolkit.speech.people import fold

LONG_TEXT = "Description"  # SOQL cannot filter by long texts
# "4,000 characters for each string within a WHERE clause", says the page "SOQL and SOSL Limits for
# Search Queries"; in longer SOSL searches "any logical operators are removed", says "SOSL Syntax".
_MAX_TEXT = 4000
# "If you specify a dateTime format in a query, you can filter only on dateTime fields. Similarly,
# if you specify a date format value, you can filter only on date fields": "Date Formats and Date
# Literals".
_DATES = {"ActivityDate", "CloseDate"}
_MOMENTS = {"CreatedDate", "StartDateTime", "EndDateTime"}


@dataclass(frozen=True)
class Text:
    """A text literal: its characters, each with whether it was escaped."""

    characters: tuple[tuple[str, bool], ...]

    @property
    def value(self) -> str:
        """Return the text that the literal stands for."""
        return "".join(char for char, _ in self.characters)

    def matches(self, text: str) -> bool:
        """Say whether `text` is LIKE this pattern."""
        wild = {"%": ".*", "_": "."}
        pattern = "".join(
            wild.get(char, re.escape(char)) if not escaped else re.escape(char)
            for char, escaped in self.characters
        )
        return re.fullmatch(pattern, text, re.DOTALL | re.IGNORECASE) is not None


Token = str | Text
_SIMPLE = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


def tokens(statement: str) -> list[Token]:
    """Return the tokens of a statement; a character that SOQL does not allow fails the test."""
    found: list[Token] = []
    at = 0
    while at < len(statement):
        char = statement[at]
        if char == "'":
            text, at = _text(statement, at + 1)
            found.append(text)
        elif char == " ":
            at += 1
        elif char in "(),":
            found.append(char)
            at += 1
        elif char in "=<>!":
            end = at + 2 if statement[at : at + 2] in ("!=", "<=", ">=") else at + 1
            found.append(statement[at:end])
            at = end
        else:
            word = re.compile(r"[A-Za-z0-9_.:+-]+").match(statement, at)
            assert word, f"{char!r} at {at}: {statement}"
            found.append(word[0])
            at = word.end()
    return found


def _text(statement: str, at: int) -> tuple[Text, int]:
    characters: list[tuple[str, bool]] = []
    while True:
        char = statement[at]
        if char == "'":
            assert len(characters) <= _MAX_TEXT, "the text is too long"
            return Text(tuple(characters)), at + 1
        assert char >= " ", "a control character in a literal"
        if char != "\\":
            characters.append((char, False))
            at += 1
            continue
        escape = statement[at + 1]
        if escape == "u":
            characters.append((chr(int(statement[at + 2 : at + 6], 16)), True))
            at += 6
            continue
        assert escape in "nrtbf\"'\\_%", f"\\{escape} is no escape"
        characters.append((_SIMPLE.get(escape, escape), True))
        at += 2


Row = dict[str, Any]
Test = Callable[[Row], bool]


@dataclass
class Parser:
    """Parses one SOQL statement: `SELECT a, b FROM x WHERE … ORDER BY y LIMIT n`."""

    remaining: list[Token]

    def word(self) -> str:
        token = self.remaining.pop(0)
        assert isinstance(token, str), token
        return token

    def next(self, *words: str) -> bool:
        """Consume the next tokens if they are these."""
        if self.remaining[: len(words)] != [*words]:
            return False
        del self.remaining[: len(words)]
        return True

    def statement(self) -> "Select":
        assert self.next("SELECT")
        fields = [self.word()]
        while self.next(","):
            fields.append(self.word())
        assert self.next("FROM")
        select = Select(fields, self.word())
        if self.next("WHERE"):
            select.test = self.condition()
        if self.next("ORDER", "BY"):
            select.order, direction = self.word(), self.word()
            assert direction in ("ASC", "DESC")
            select.descending = direction == "DESC"
            self.next("NULLS", "LAST")
        if self.next("LIMIT"):
            select.limit = int(self.word())
        assert self.remaining == [], self.remaining
        return select

    def condition(self) -> Test:
        tests = [self.comparison()]
        while self.next("AND"):
            tests.append(self.comparison())
        if self.remaining[:1] == ["OR"]:
            assert len(tests) == 1, "AND and OR without brackets"
            while self.next("OR"):
                tests.append(self.comparison())
            return lambda row: any(test(row) for test in tests)
        return lambda row: all(test(row) for test in tests)

    def comparison(self) -> Test:
        if self.next("("):
            inner = self.condition()
            assert self.next(")")
            return inner
        if self.next("NOT"):
            negated = self.comparison()
            return lambda row: not negated(row)
        name, operator = self.word(), self.word()
        assert name != LONG_TEXT, "a long text is not filtered by"
        literal = self.remaining.pop(0)
        written = literal if isinstance(literal, str) else ""
        assert name not in _DATES or re.fullmatch(r"[\d-]{10}", written), (name, literal)
        assert name not in _MOMENTS or re.fullmatch(r"[\d-]{10}T.+", written), (name, literal)
        return lambda row: _compare(operator, row.get(name), literal)


@dataclass
class Select:
    """One SOQL statement."""

    fields: list[str]
    sobject: str
    test: Test = lambda _: True
    order: str | None = None
    descending: bool = False
    limit: int | None = None


def select(statement: str) -> Select:
    """Parse one statement."""
    return Parser(tokens(statement)).statement()


def _compare(operator: str, value: Any, literal: Token) -> bool:
    if operator == "LIKE":
        assert isinstance(literal, Text)
        return value is not None and literal.matches(str(value))
    left: Any = value.casefold() if isinstance(value, str) else value
    right: Any = literal.value.casefold() if isinstance(literal, Text) else None
    if isinstance(literal, str):
        left, right = _typed(literal, value)
    match operator:
        case "=":
            return bool(left == right)
        case "!=":
            return bool(left != right)
        case _ if left is None:
            return False
        case ">":
            return bool(left > right)
        case ">=":
            return bool(left >= right)
        case "<":
            return bool(left < right)
        case unexpected:
            raise AssertionError(unexpected)


def _typed(word: str, value: Any) -> tuple[Any, Any]:
    """Return a stored value and an unquoted literal, both with the literal's type."""
    if word in ("true", "false"):
        return value, word == "true"
    if re.fullmatch(r"-?\d+(\.\d+)?", word):
        return value, float(word)
    if "T" in word:
        moment = datetime.fromisoformat(word)
        assert moment.tzinfo is not None
        return datetime.fromisoformat(value) if value else None, moment
    return date.fromisoformat(value) if value else None, date.fromisoformat(word)


def find_predicate(text: str) -> Test:
    """Parse the terms of a FIND clause, joined by AND or OR, some of them in parentheses."""
    assert len(text) <= _MAX_TEXT
    parts = text.split(" AND ")
    if len(parts) > 1 or text.startswith("("):
        tests = [find_predicate(part.removeprefix("(").removesuffix(")")) for part in parts]
        return lambda row: all(test(row) for test in tests)
    patterns: list[re.Pattern[str]] = []
    for term in text.split(" OR "):
        letters = term.replace("*", "")
        assert re.fullmatch(r"[^\W_]+", letters), term
        assert len(letters) > 1, "a term is longer than one character"
        assert not term.startswith("*")
        patterns.append(re.compile(".*".join(fold(each) for each in term.split("*"))))
    return lambda row: any(each.fullmatch(word) for each in patterns for word in _words(row))


def _words(row: Row) -> list[str]:
    return [word for value in row.values() for word in fold(str(value)).split()]
