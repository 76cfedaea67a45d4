"""Rows of the builtin desk, as what they mean, and the words by which they are found."""

import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func

from tickets.provider import Comment, Organization, Ticket, User
from tickets.providers.builtin.tables import Ticket as TicketRow
from tickets.providers.builtin.tables import TicketComment, TicketOrganization, TicketUser
from toolkit.speech.people import fold

_NUMBER = re.compile(r"[0-9]{1,18}")
_SEARCHED = 4000  # characters of each text
_MOST = 12  # words of a question


def number_of(text: str) -> int | None:
    """Return the number of a ticket, where the text is one."""
    return int(text) if _NUMBER.fullmatch(text) else None


def uuid_of(text: str) -> UUID | None:
    """Return the id of a row, where the text is one."""
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text.lower() else None


def words_of(*texts: str) -> ColumnElement[Any]:
    """Return what texts are found by."""
    return func.to_tsvector("simple", " ".join(fold(each[:_SEARCHED]) for each in texts))


def asked(text: str) -> list[str]:
    """Return the words that somebody looks for."""
    return fold(text).split()[:_MOST]


def all_of(words: Sequence[str]) -> ColumnElement[Any]:
    """Return a question for texts that have, for each of these, a word that begins with it."""
    return func.to_tsquery("simple", " & ".join(f"'{word}':*" for word in words))


def any_of(beginnings: Sequence[str]) -> ColumnElement[Any]:
    """Return a question for texts that have a word that begins with any of these."""
    return func.to_tsquery("simple", " | ".join(f"'{each}':*" for each in beginnings))


def ticket_of(row: TicketRow, organization: UUID | None) -> Ticket:
    """Return a row as a ticket; its organization is its requester's."""
    return Ticket.model_validate(
        {
            "id": str(row.number),
            "subject": row.subject,
            "status": row.status,
            "priority": row.priority,
            "type": row.type,
            "requester": _text(row.requester_id),
            "assignee": _text(row.assignee_id),
            "organization": _text(organization),
            "tags": row.tags,
            "text": row.text,
            "created_at": row.created_at,
            "updated_at": row.updated_at,
        }
    )


def comment_of(row: TicketComment, author: str | None) -> Comment:
    """Return a row as a comment."""
    return Comment.model_validate(
        {
            "id": str(row.id),
            "text": row.text,
            "by": row.written_by,
            "author": author,
            "public": row.public,
            "created_at": row.created_at,
        }
    )


def user_of(row: TicketUser) -> User:
    """Return a row as a user."""
    return User.model_validate(
        {
            "id": str(row.id),
            "name": row.name,
            "email": row.email,
            "phone": row.phone,
            "role": row.role,
            "organization": _text(row.organization_id),
        }
    )


def organization_of(row: TicketOrganization) -> Organization:
    """Return a row as an organization."""
    return Organization(id=str(row.id), name=row.name, notes=row.notes)


def _text(id: UUID | None) -> str | None:
    return None if id is None else str(id)
