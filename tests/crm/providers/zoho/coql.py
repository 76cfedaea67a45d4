"""A parser and evaluator of COQL, as Zoho documents it.

https://www.zoho.com/crm/developer/docs/api/v8/Get-Records-through-COQL-Query.html: a `where` clause
is required, more than two conditions must be in pairs, and a quote within quotes is doubled.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Row = Mapping[str, Any]
ReadField = Callable[[Row, str], Any]
Token = tuple[str, str]
Predicate = Callable[[Row], bool]

_BARE = re.compile(
    r"\s+|(?P<name>[A-Za-z_][\w.]*)|(?P<number>-?\d+(?:\.\d+)?)|(?P<symbol>[<>!]=|[=<>(),])"
)
_MAX_CONDITIONS = 25


class CoqlError(Exception):
    """The statement is not COQL: Zoho responds with SYNTAX_ERROR."""


def tokens(statement: str, *, escapes: bool = False) -> list[Token]:
    """Return the tokens of a statement; `escapes` says whether a backslash escapes a character."""
    found: list[Token] = []
    at = 0
    while at < len(statement):
        if statement[at] == "'":
            text, at = _quoted(statement, at + 1, escapes=escapes)
            found.append(("text", text))
        elif match := _BARE.match(statement, at):
            at = match.end()
            found += [(kind, value) for kind, value in match.groupdict().items() if value]
        else:
            raise CoqlError(statement[at:])
    return found


def _quoted(statement: str, at: int, *, escapes: bool) -> tuple[str, int]:
    text = ""
    while at < len(statement):
        char, following = statement[at], statement[at + 1 : at + 2]
        if escapes and char == "\\" and following:
            text, at = text + following, at + 2
        elif char == "'" and following == "'":
            text, at = text + "'", at + 2
        elif char == "'":
            return text, at + 1
        else:
            text, at = text + char, at + 1
    raise CoqlError("A text does not end.")


@dataclass
class Statement:
    """`select a, b from M where c order by d desc limit n`; `read` returns a field's value."""

    text: str
    read: ReadField

    def __post_init__(self) -> None:
        self._tokens = tokens(self.text)
        self._conditions = 0
        self.columns = self._names()
        self._expect("from")
        self.module = self._next("name")
        self._expect("where")
        self.matches = self._condition()
        self._expect("order")
        self._expect("by")
        self.order = self._next("name")
        self.descending = {"asc": False, "desc": True}[self._next("name")]
        self._expect("limit")
        self.limit = int(self._next("number"))
        assert self._tokens == [], self.text
        assert self._conditions <= _MAX_CONDITIONS, self.text

    def _names(self) -> list[str]:
        self._expect("select")
        names = [self._next("name")]
        while self._peek() == ("symbol", ","):
            self._expect(",")
            names.append(self._next("name"))
        assert len({*names}) == len(names), names
        return names

    def _condition(self) -> Predicate:
        """Read one condition, or a pair of them in brackets."""
        if self._peek() != ("symbol", "("):
            return self._comparison()
        self._expect("(")
        left = self._condition()
        joint = self._next("name")
        right = self._condition()
        self._expect(")")
        assert joint in ("and", "or"), joint
        if joint == "and":
            return lambda row: left(row) and right(row)
        return lambda row: left(row) or right(row)

    def _comparison(self) -> Predicate:
        self._conditions += 1
        column, read = self._next("name"), self.read
        match self._tokens.pop(0):
            case "name", "is":
                null = self._next("name") == "null"
                if not null:
                    self._expect("null")
                return lambda row: (read(row, column) is None) == null
            case "name", "in":
                values = self._values()
                return lambda row: any(_compare(read(row, column), each) == 0 for each in values)
            case "name", "like":
                pattern = _pattern(self._next("text"))
                return lambda row: pattern.fullmatch(str(read(row, column) or "")) is not None
            case "name", "not":
                self._expect("like")
                pattern = _pattern(self._next("text"))
                # A null compares with nothing.
                return lambda row: (
                    read(row, column) is not None
                    and pattern.fullmatch(str(read(row, column))) is None
                )
            case "symbol", operator:
                return self._compare_with(column, operator, self._value())
            case unexpected:
                raise CoqlError(unexpected)

    def _compare_with(self, column: str, operator: str, value: str | float) -> Predicate:
        signs = {"=": (0,), "!=": (-1, 1), ">": (1,), "<": (-1,), ">=": (0, 1), "<=": (-1, 0)}
        wanted, read = signs[operator], self.read
        # A null compares with nothing.
        return lambda row: (
            read(row, column) is not None and _compare(read(row, column), value) in wanted
        )

    def _values(self) -> list[str | float]:
        self._expect("(")
        values = [self._value()]
        while self._peek() == ("symbol", ","):
            self._expect(",")
            values.append(self._value())
        self._expect(")")
        assert len(values) <= 100, values
        return values

    def _value(self) -> str | float:
        kind, value = self._tokens.pop(0)
        assert kind in ("text", "number"), (kind, value, self.text)
        return value if kind == "text" else float(value)

    def _peek(self) -> Token | None:
        return self._tokens[0] if self._tokens else None

    def _next(self, kind: str) -> str:
        found, value = self._tokens.pop(0)
        assert found == kind, (found, value, self.text)
        return value

    def _expect(self, value: str) -> None:
        assert self._tokens.pop(0)[1] == value, self.text


def _pattern(like: str) -> re.Pattern[str]:
    parts = (re.escape(part) for part in like.split("%"))
    return re.compile(".*".join(parts), re.IGNORECASE | re.DOTALL)


def _compare(stored: Any, wanted: str | float) -> int:
    """Return -1, 0 or 1; values are compared by the type of the stored one."""
    if isinstance(stored, dict):
        return 0 if stored["id"] == wanted else 1
    if isinstance(stored, bool) or stored is None:
        return 0 if str(stored).lower() == wanted else 1
    if isinstance(stored, int | float):
        assert isinstance(wanted, float), wanted
        return (stored > wanted) - (stored < wanted)
    one, other = (_moment(str(each)) for each in (stored, wanted))
    if one and not other:
        raise CoqlError(f"{wanted} is no time.")
    if one and other:
        return (one > other) - (one < other)
    left, right = str(stored).casefold(), str(wanted).casefold()
    return (left > right) - (left < right)


def _moment(text: str) -> datetime | None:
    if "T" not in text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None or text.endswith("Z"):
        raise CoqlError(f"{text} has no offset.")
    return moment
