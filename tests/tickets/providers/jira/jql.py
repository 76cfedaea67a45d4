"""A parser of JQL for the fake Jira, which refuses what Jira would refuse.

The grammar is of https://support.atlassian.com/jira-software-cloud/docs/what-is-advanced-search-in-jira-cloud/
and of its page on the syntax of text searches; nothing here knows how our queries are written.
"""

import re
from dataclasses import dataclass
from typing import Literal
from unicodedata import category

_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", '"': '"', "'": "'", "\\": "\\", " ": " "}
_OPERATORS = ("!=", ">=", "<=", "!~", "=", "~", ">", "<")
_RESERVED = frozenset('+-&|!(){}[]^~*?\\:"/')  # in a text search


@dataclass(frozen=True)
class Token:
    """A word, an operator, or a string literal with its escapes undone."""

    kind: Literal["word", "operator", "literal"]
    text: str


@dataclass(frozen=True)
class Clause:
    """`field operator value`; a literal is data, whatever it looks like."""

    field: str
    operator: str
    value: Token


@dataclass(frozen=True)
class Query:
    """Clauses that are all to be fulfilled, and the order."""

    clauses: tuple[Clause, ...]
    order: tuple[str, str]


@dataclass(frozen=True)
class Term:
    """A word that may stand anywhere in a text, or the words of a phrase."""

    words: tuple[str, ...]


def query(text: str) -> Query:
    """Return what a query means.

    Raises:
        ValueError: Jira would not read it, or it is none of the kind that we send.
    """
    tokens = _tokens(text)
    clauses = [_clause(tokens)]
    while tokens and tokens[0] == Token("word", "AND"):
        tokens.pop(0)
        clauses.append(_clause(tokens))
    order = [token.text for token in tokens]
    if len(order) != 4 or order[:2] != ["ORDER", "BY"] or order[3] not in ("ASC", "DESC"):
        raise ValueError(f"{order} is no order")
    return Query(tuple(clauses), (order[2], order[3]))


def terms(text: str) -> list[Term]:
    """Return the terms of a text search, all of which are to be found.

    Raises:
        ValueError: there is an operator among them.
    """
    found: list[Term] = []
    rest = text.strip()
    while rest:
        if rest[0] == '"':
            phrase = re.match(r'"((?:[^"\\]|\\.)*)"(?=\s|$)', rest, re.DOTALL)
            if phrase is None:
                raise ValueError(f"{rest!r} begins a phrase and does not end it")
            said = re.sub(r"\\(.)", r"\1", phrase[1], flags=re.DOTALL)
            found.append(Term(words(said)))
            rest = rest[phrase.end() :].lstrip()
            continue
        word, _, rest = rest.partition(" ")
        if _RESERVED & {*word} or word in ("AND", "OR", "NOT", "TO"):
            raise ValueError(f"{word!r} is an operator")
        found.append(Term(words(word)))
        rest = rest.lstrip()
    return found


def words(text: str) -> tuple[str, ...]:
    """Return the words that Jira's index has of a text: signs are not in it."""
    letters = (char if category(char)[0] in "LMN" else " " for char in text.lower())
    return tuple("".join(letters).split())


def matches(text: str, wanted: list[Term]) -> bool:
    """Say whether a text has all of the terms."""
    there = words(text)

    def stands(term: Term) -> bool:
        size = len(term.words)
        return any(there[n : n + size] == term.words for n in range(len(there) - size + 1))

    return all(map(stands, wanted))


def _clause(tokens: list[Token]) -> Clause:
    if len(tokens) < 3 or (tokens[0].kind, tokens[1].kind) != ("word", "operator"):
        raise ValueError(f"{tokens} begins with no clause")
    field, operator, value = (tokens.pop(0) for _ in range(3))
    if value.kind == "operator":
        raise ValueError(f"{value} is no value")
    return Clause(field.text, operator.text, value)


def _tokens(text: str) -> list[Token]:
    found: list[Token] = []
    at = 0
    while at < len(text):
        char = text[at]
        if char == " ":
            at += 1
        elif char in "\"'":
            literal, at = _literal(text, at)
            found.append(Token("literal", literal))
        elif operator := next((each for each in _OPERATORS if text.startswith(each, at)), None):
            found.append(Token("operator", operator))
            at += len(operator)
        elif word := re.compile(r"-?[A-Za-z0-9_.]+(?:\(\))?").match(text, at):
            found.append(Token("word", word[0]))
            at = word.end()
        else:
            raise ValueError(f"{char!r} at {at} means nothing")
    return found


def _literal(text: str, at: int) -> tuple[str, int]:
    """Return the literal that begins at `at`, and where it has ended."""
    quote, value = text[at], ""
    at += 1
    while at < len(text) and text[at] != quote:
        char = text[at]
        if ord(char) < 0x20 or ord(char) == 0x7F:
            raise ValueError(f"{char!r} in a literal")
        if char == "\\":
            at += 1
            if at == len(text) or text[at] not in _ESCAPES:
                raise ValueError("an escape that is none")
            char = _ESCAPES[text[at]]
        value += char
        at += 1
    if at == len(text):
        raise ValueError("a literal that does not end")
    return value, at + 1
