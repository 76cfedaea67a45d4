"""Converts rows of the builtin tables into the provider's models, and ids into those of rows."""

import re
from uuid import UUID

from tickets.provider import Comment, Organization, Ticket, User
from tickets.providers.builtin.tables import Ticket as TicketRow
from tickets.providers.builtin.tables import TicketComment, TicketOrganization, TicketUser

_NUMBER = re.compile(r"[0-9]{1,18}")


def to_number(id: str) -> int | None:
    """Return the number of a ticket; None if the id is no number."""
    return int(id) if _NUMBER.fullmatch(id) else None


def to_uuid(id: str) -> UUID | None:
    """Return the id of any other row; None if it is none."""
    try:
        found = UUID(id)
    except ValueError:
        return None
    return found if str(found) == id.lower() else None


def to_ticket(row: TicketRow, organization: UUID | None) -> Ticket:
    """Return a ticket; its organization is its requester's."""
    return Ticket.model_validate(
        {
            "id": str(row.number),
            "subject": row.subject,
            "status": row.status,
            "priority": row.priority,
            "type": row.type,
            "requester": _to_id(row.requester_id),
            "assignee": _to_id(row.assignee_id),
            "organization": _to_id(organization),
            "tags": row.tags,
            "text": row.text,
            "created_at": row.created_at,
            "updated_at": row.updated_at,
        }
    )


def to_comment(row: TicketComment, author: str | None) -> Comment:
    """Return a comment; `author` is the author's name."""
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


def to_user(row: TicketUser) -> User:
    """Return a user."""
    return User.model_validate(
        {
            "id": str(row.id),
            "name": row.name,
            "email": row.email,
            "phone": row.phone,
            "role": row.role,
            "organization": _to_id(row.organization_id),
        }
    )


def to_organization(row: TicketOrganization) -> Organization:
    """Return an organization."""
    return Organization(id=str(row.id), name=row.name, notes=row.notes)


def _to_id(id: UUID | None) -> str | None:
    return None if id is None else str(id)
