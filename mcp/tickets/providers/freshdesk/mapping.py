"""Converts Freshdesk's responses into the provider's models."""

from collections.abc import Mapping
from typing import cast

from tickets.provider import Comment, Organization, Ticket, User, Writer
from tickets.providers.freshdesk import responses
from tickets.providers.freshdesk.values import (
    CUSTOMER_SOURCES,
    OUTBOUND_EMAIL,
    PRIORITY_NAMES,
    STATUS_NAMES,
    TYPE_NAMES,
)
from toolkit.speech.people import is_same_number


def to_ticket(record: responses.Ticket, statuses: Mapping[int, str]) -> Ticket:
    """Return a ticket; `statuses` are the names of the tenant's own statuses."""
    number = record.status
    return Ticket(
        id=str(record.id),
        subject=record.subject or "",
        status=STATUS_NAMES.get(number) or statuses.get(number) or f"status {number}",
        priority=PRIORITY_NAMES.get(record.priority or 0),
        type=TYPE_NAMES.get((record.type or "").casefold()),
        requester=_to_id(record.requester_id),
        assignee=_to_id(record.responder_id),
        organization=_to_id(record.company_id),
        tags=tuple(record.tags or ()),
        text=record.description_text,
        created_at=record.created_at,
        updated_at=record.updated_at,
    )


def description_comment(record: responses.Ticket) -> Comment:
    """Return a ticket's description as the first of its comments.

    Of an e-mail that an agent has begun, the requester is whom it went to.
    """
    by: Writer = "customer" if record.source in CUSTOMER_SOURCES else "unknown"
    return Comment(
        id=f"description-{record.id}",
        text=record.description_text or "",
        by="agent" if record.source == OUTBOUND_EMAIL else by,
        author=_to_id(record.requester_id) if by == "customer" else None,
        public=True,
        created_at=record.created_at,
    )


def to_comment(record: responses.Conversation, own_id: int) -> Comment:
    """Return a reply or a note; `own_id` is the id of the agent whose key we have."""
    return Comment(
        id=str(record.id),
        text=record.body_text or "",
        by=_writer(record, own_id),
        author=_to_id(record.user_id),
        public=None if record.private is None else not record.private,
        created_at=record.created_at,
    )


def to_user(record: responses.Contact, phone: str | None = None) -> User:
    """Return a customer; of two numbers, the one that is `phone`."""
    numbers = [each for each in (record.phone, record.mobile) if each]
    same = [each for each in numbers if phone and is_same_number(phone, each)]
    return User(
        id=str(record.id),
        name=record.name or "",
        email=record.email,
        phone=next(iter(same or numbers), None),
        organization=_to_id(record.company_id),
        gone=bool(record.deleted),
    )


def agent_to_user(record: responses.Agent) -> User:
    """Return an agent."""
    contact = responses.Contact(id=record.id, **record.contact.model_dump())
    return to_user(contact).model_copy(update={"role": "agent"})


def to_organization(record: responses.Company) -> Organization:
    """Return a company."""
    return Organization(
        id=str(record.id), name=record.name, notes=record.note or record.description or None
    )


def own_statuses(fields: responses.TicketFields) -> dict[int, str]:
    """Return the names of the tenant's own statuses, by number."""
    choices = next((each.choices for each in fields.root if each.type == "default_status"), None)
    if not isinstance(choices, dict):
        return {}
    names = {
        int(number): _status_name(choice)
        for number, choice in choices.items()
        if number.isdecimal()
    }
    return {number: name for number, name in names.items() if name and number not in STATUS_NAMES}


def _writer(record: responses.Conversation, own_id: int) -> Writer:
    if record.incoming:
        return "customer"
    if record.user_id == own_id:
        return "us"
    return "unknown" if record.incoming is None else "agent"


def _status_name(choice: object) -> str | None:
    """Return a status's name for agents; the name for customers may come second."""
    first = next(iter(cast("list[object]", choice)), None) if isinstance(choice, list) else choice
    return first if isinstance(first, str) else None


def _to_id(number: int | None) -> str | None:
    return None if number is None else str(number)
