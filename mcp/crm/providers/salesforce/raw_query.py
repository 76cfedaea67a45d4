"""Checks SOQL that a model has written, and limits the number of its rows."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NoReturn, cast

from crm.providers.salesforce.objects import SOBJECTS
from crm.providers.salesforce.responses import RawQueryResponse
from toolkit.errors import Rejected

_MAX_LENGTH = 2000  # characters
# All tokens that a SELECT needs. Those that begin a comment are not among them.
_TOKEN = re.compile(
    r"""[ \t\r\n]*(?:
        (?P<text>'(?:[^'\\\r\n]|\\.)*')
      | (?P<word>
            [A-Za-z_][A-Za-z0-9_.]*(?::[0-9]+)?
          | [0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9:.]+(?:Z|[+-][0-9]{2}:?[0-9]{2}))?
          | [0-9]+(?:\.[0-9]+)?
        )(?![A-Za-z0-9_.:])
      | (?P<sign>[(),=<>!+]|-(?!-))
    )""",
    re.VERBOSE,
)
_NUMBER = re.compile(r"[0-9]{1,9}")
# For locks, scopes, and statistics that are written: no SELECT needs them.
_FORBIDDEN_WORDS = frozenset({"FOR", "USING", "UPDATE"})
_CLAUSES = frozenset({"WHERE", "WITH", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET"})
_AGGREGATES = frozenset({"COUNT", "COUNT_DISTINCT", "SUM", "AVG", "MIN", "MAX"})
_OBJECTS = frozenset(sobject.name.upper() for sobject in SOBJECTS.values())
# A subquery in the list of fields names a relationship instead of an object.
_RELATIONS = frozenset({"CONTACTS", "OPPORTUNITIES", "CASES", "TASKS", "EVENTS", "CHILDACCOUNTS"})


@dataclass(frozen=True)
class _Token:
    """One token of a statement. `depth` counts the parentheses around it."""

    text: str
    start: int
    depth: int
    quoted: bool = False

    @property
    def upper(self) -> str:
        return "'" if self.quoted else self.text.upper()


def restrict_statement(statement: str, limit: int, objects: Collection[str]) -> str:
    """Return a SELECT with a LIMIT of at most `limit`.

    `objects` are the sObjects that may be read in addition to those of our kinds.

    Raises:
        Rejected: the statement is not a SELECT, or reads other objects.
    """
    if len(statement) > _MAX_LENGTH:
        _refuse(f"longer than {_MAX_LENGTH} characters", objects)
    statement = statement.strip()
    tokens = _tokens(statement, objects)
    words = [token.upper for token in tokens]
    if words[:1] != ["SELECT"]:
        _refuse("not a SELECT", objects)
    if forbidden := _FORBIDDEN_WORDS.intersection(words):
        _refuse(f"one with {min(forbidden)}", objects)
    allowed = _OBJECTS | {each.upper() for each in objects}
    for index, word in enumerate(words):
        after = words[index + 1] if index + 1 < len(words) else ""
        if word == "ALL" and after == "ROWS":
            _refuse("one with ALL ROWS", objects)
        if word == "SELECT" and index and words[index - 1] != "(":
            _refuse("more than one SELECT", objects)
        if word == "FROM":
            is_subquery = tokens[index].depth > 0
            if after not in (allowed | _RELATIONS if is_subquery else allowed):
                _refuse("one of other objects", objects)
            _require_one_object(tokens, index, objects)
    if words.count("FROM") != words.count("SELECT"):
        _refuse("a SELECT without its FROM", objects)
    return _with_limit(statement, tokens, limit, objects)


def to_rows(response: RawQueryResponse, limit: int) -> list[dict[str, Any]]:
    """Return the rows of a response without Salesforce's metadata; a count is one row."""
    if not response.records and response.totalSize:
        return [{"count": response.totalSize}]
    rows = response.records[:limit]
    return [cast("dict[str, Any]", _without_metadata(row, limit)) for row in rows]


def _without_metadata(value: object, limit: int) -> object:
    if not isinstance(value, dict):
        return value
    content = cast("dict[str, object]", value)
    records = content.get("records")
    if isinstance(records, list) and "totalSize" in content:
        return [_without_metadata(each, limit) for each in cast("list[object]", records)[:limit]]
    return {
        key: _without_metadata(each, limit) for key, each in content.items() if key != "attributes"
    }


def _tokens(statement: str, objects: Collection[str]) -> list[_Token]:
    tokens: list[_Token] = []
    at, depth = 0, 0
    while at < len(statement):
        match = _TOKEN.match(statement, at)
        if match is None:
            _refuse("one with comments, several statements, or signs that SOQL has not", objects)
        at = match.end()
        text = match["text"] or match["word"] or match["sign"]
        depth -= text == ")"
        if depth < 0:
            break
        tokens.append(_Token(text, at - len(text), depth, match["text"] is not None))
        depth += text == "("
    if depth:
        _refuse("one with brackets that do not match", objects)
    return tokens


def _require_one_object(tokens: list[_Token], index: int, objects: Collection[str]) -> None:
    """Refuse `FROM Contact c, c.Account a`, of which only the first object has been checked."""
    for token in tokens[index + 2 : index + 5]:
        if token.depth != tokens[index].depth or token.upper in _CLAUSES:
            return
        if token.text == ",":
            _refuse("one of several objects at once", objects)


def _with_limit(statement: str, tokens: list[_Token], limit: int, objects: Collection[str]) -> str:
    outer = [index for index, token in enumerate(tokens) if token.depth == 0]
    words = [tokens[index].upper for index in outer]
    if "LIMIT" in words:
        at = outer[words.index("LIMIT")]
        number = tokens[at + 1] if at + 1 < len(tokens) else None
        if words.count("LIMIT") > 1 or number is None or not _NUMBER.fullmatch(number.text):
            _refuse("one with a LIMIT that is not a number", objects)
        end = number.start + len(number.text)
        return f"{statement[: number.start]}{min(int(number.text), limit)}{statement[end:]}"
    aggregates = (a in _AGGREGATES and b == "(" for a, b in pairwise(words))
    if "GROUP" not in words and any(aggregates):
        # It returns one row, and Salesforce takes no LIMIT then.
        return statement
    offset = tokens[outer[words.index("OFFSET")]].start if "OFFSET" in words else len(statement)
    before, after = statement[:offset].rstrip(), statement[offset:]
    return f"{before} LIMIT {limit:d} {after}".rstrip()


def _refuse(description: str, objects: Collection[str]) -> NoReturn:
    readable = ", ".join([*(each.name for each in SOBJECTS.values()), *objects])
    raise Rejected(
        f"This is {description}. Only a single SELECT from {readable} can be run, without comments,"
        " FOR, USING, UPDATE or ALL ROWS.",
        next="Call again with such a statement, or use query.",
    )
