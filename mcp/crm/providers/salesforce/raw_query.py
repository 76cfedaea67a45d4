"""SOQL that a model has written: what is let through, and with which limit."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NoReturn, cast

from crm.providers.salesforce.objects import SOBJECTS
from crm.providers.salesforce.responses import RawRows
from toolkit.errors import Rejected

_LONGEST = 2000  # characters
# Outside of texts this is all that reading takes. What begins a comment is not among it.
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
# Locking, scopes, statistics that are written: no reading needs any of them.
_FORBIDDEN = frozenset({"FOR", "USING", "UPDATE"})
_CLAUSES = frozenset({"WHERE", "WITH", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET"})
_COUNTING = frozenset({"COUNT", "COUNT_DISTINCT", "SUM", "AVG", "MIN", "MAX"})
_OBJECTS = frozenset(sobject.name.upper() for sobject in SOBJECTS.values())
# A query inside the list of fields names what it reads by the relation.
_RELATIONS = frozenset({"CONTACTS", "OPPORTUNITIES", "CASES", "TASKS", "EVENTS", "CHILDACCOUNTS"})


@dataclass(frozen=True)
class _Token:
    """One word or sign of a statement. `depth` counts the brackets that it is in."""

    text: str
    start: int
    depth: int
    quoted: bool = False

    @property
    def upper(self) -> str:
        return "'" if self.quoted else self.text.upper()


def checked(statement: str, limit: int, objects: Collection[str]) -> str:
    """Return a statement that reads some records, at most so many; `objects` may be read, too.

    Raises:
        Rejected: it is something else.
    """
    if len(statement) > _LONGEST:
        _refuse(f"longer than {_LONGEST} characters", objects)
    statement = statement.strip()
    tokens = _tokens(statement, objects)
    words = [token.upper for token in tokens]
    if words[:1] != ["SELECT"]:
        _refuse("not a SELECT", objects)
    if found := _FORBIDDEN.intersection(words):
        _refuse(f"one with {min(found)}", objects)
    allowed = _OBJECTS | {each.upper() for each in objects}
    for index, word in enumerate(words):
        after = words[index + 1] if index + 1 < len(words) else ""
        if word == "ALL" and after == "ROWS":
            _refuse("one with ALL ROWS", objects)
        if word == "SELECT" and index and words[index - 1] != "(":
            _refuse("more than one SELECT", objects)
        if word == "FROM":
            inside = tokens[index].depth > 0
            if after not in (allowed | _RELATIONS if inside else allowed):
                _refuse("one of other objects", objects)
            _require_one_object(tokens, index, objects)
    if words.count("FROM") != words.count("SELECT"):
        _refuse("a SELECT without its FROM", objects)
    return _limited(statement, tokens, limit, objects)


def rows(answer: RawRows, limit: int) -> list[dict[str, Any]]:
    """Return what was answered, without what only a program needs."""
    if not answer.records and answer.totalSize:
        return [{"count": answer.totalSize}]
    return [cast("dict[str, Any]", _bare(row, limit)) for row in answer.records[:limit]]


def _bare(value: object, limit: int) -> object:
    if not isinstance(value, dict):
        return value
    held = cast("dict[str, object]", value)
    inner = held.get("records")
    if isinstance(inner, list) and "totalSize" in held:
        return [_bare(each, limit) for each in cast("list[object]", inner)[:limit]]
    return {key: _bare(each, limit) for key, each in held.items() if key != "attributes"}


def _tokens(statement: str, objects: Collection[str]) -> list[_Token]:
    found: list[_Token] = []
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
        found.append(_Token(text, at - len(text), depth, match["text"] is not None))
        depth += text == "("
    if depth:
        _refuse("one with brackets that do not match", objects)
    return found


def _require_one_object(tokens: list[_Token], index: int, objects: Collection[str]) -> None:
    """Refuse `FROM Contact c, c.Account a`: only the first of them would have been looked at."""
    for token in tokens[index + 2 : index + 5]:
        if token.depth != tokens[index].depth or token.upper in _CLAUSES:
            return
        if token.text == ",":
            _refuse("one of several objects at once", objects)


def _limited(statement: str, tokens: list[_Token], limit: int, objects: Collection[str]) -> str:
    outer = [index for index, token in enumerate(tokens) if token.depth == 0]
    words = [tokens[index].upper for index in outer]
    if "LIMIT" in words:
        at = outer[words.index("LIMIT")]
        given = tokens[at + 1] if at + 1 < len(tokens) else None
        if words.count("LIMIT") > 1 or given is None or not _NUMBER.fullmatch(given.text):
            _refuse("one with a LIMIT that is not a number", objects)
        most = min(int(given.text), limit)
        return f"{statement[: given.start]}{most}{statement[given.start + len(given.text) :]}"
    counts = (a in _COUNTING and b == "(" for a, b in pairwise(words))
    if "GROUP" not in words and any(counts):
        # One row is all that it returns, and Salesforce takes no limit then.
        return statement
    offset = tokens[outer[words.index("OFFSET")]].start if "OFFSET" in words else len(statement)
    before, after = statement[:offset].rstrip(), statement[offset:]
    return f"{before} LIMIT {limit:d} {after}".rstrip()


def _refuse(what: str, objects: Collection[str]) -> NoReturn:
    readable = ", ".join([*(each.name for each in SOBJECTS.values()), *objects])
    raise Rejected(
        f"This is {what}. Only a single SELECT from {readable} can be run, without comments,"
        " FOR, USING, UPDATE or ALL ROWS.",
        next="Call again with such a statement, or use query.",
    )
