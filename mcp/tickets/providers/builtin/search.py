"""Full-text search in the builtin tables: indexed words, and queries for them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, func, or_
from sqlmodel import col

from tickets.provider import TicketQuery
from tickets.providers.builtin.mapping import to_number, to_uuid
from tickets.providers.builtin.tables import Ticket, TicketUser
from toolkit.speech.people import fold

_MAX_INDEXED = 4000  # characters of each text
_MAX_WORDS = 12  # words of a query


def indexed_words(*texts: str) -> ColumnElement[Any]:
    """Return the value of a row's `words`, the column that is searched."""
    return func.to_tsvector("simple", " ".join(fold(each[:_MAX_INDEXED]) for each in texts))


def query_words(text: str) -> list[str]:
    """Return the words to search for."""
    return fold(text).split()[:_MAX_WORDS]


def match_all(words: Sequence[str]) -> ColumnElement[Any]:
    """Return a query for rows in which each of the words begins some word."""
    return func.to_tsquery("simple", " & ".join(f"'{word}':*" for word in words))


def match_any(prefixes: Sequence[str]) -> ColumnElement[Any]:
    """Return a query for rows in which any of the prefixes begins some word."""
    return func.to_tsquery("simple", " | ".join(f"'{each}':*" for each in prefixes))


def matches_text(text: str, words: Sequence[str]) -> ColumnElement[bool]:
    """Return the condition that a ticket, or its requester's name, has all of the words.

    A text that is a number matches the ticket of that number, too.
    """
    query = match_all(words)
    alternatives: list[ColumnElement[bool]] = [
        col(Ticket.words).bool_op("@@")(query),
        col(TicketUser.words).bool_op("@@")(query),
    ]
    number = to_number(text.strip())
    if number is not None:
        alternatives.append(col(Ticket.number) == number)
    return or_(*alternatives)


def conditions(query: TicketQuery) -> list[ColumnElement[bool]]:
    """Return the conditions of a query, but for its text."""
    found: list[ColumnElement[bool]] = []
    if query.status is not None:
        found.append(col(Ticket.status) == query.status)
    if query.type is not None:
        found.append(col(Ticket.type) == query.type)
    if query.related_to is None:
        return found
    id = to_uuid(query.related_to)
    match query.relation:
        case "assigned":
            found.append(col(Ticket.assignee_id) == id)
        case "copied":
            found.append(col(Ticket.copied).contains([str(id)]))
        case "organization":
            found.append(col(TicketUser.organization_id) == id)
        case _:
            found.append(col(Ticket.requester_id) == id)
    return found
