"""Builds what Freshdesk is sent from the provider's models."""

import html
from collections.abc import Mapping
from typing import Any

from tickets.dates import require_moments
from tickets.provider import CallLog, Fields, TicketChange, TicketDraft, UserDraft
from tickets.providers.freshdesk.values import OPEN, PHONE, PRIORITIES, TYPES
from toolkit.errors import Rejected
from toolkit.speech.times import format_utc

# Standard fields of a ticket that our models have no name for; any other is the tenant's own.
_STANDARD_FIELDS = frozenset({"group_id", "product_id", "company_id", "due_by", "fr_due_by"})
_MAX_SUBJECT = 255  # characters
_MOMENTS = ("due_by", "fr_due_by")


def new_ticket(draft: TicketDraft, requester: int | None, assignee: int | None) -> dict[str, Any]:
    """Return the body that creates a ticket.

    Freshdesk finds or adds the requester by e-mail address or phone number. With a number alone
    it needs a name, too.
    """
    name = draft.requester_name or (None if draft.requester_email else draft.requester_phone)
    contact = {"name": name, "email": draft.requester_email, "phone": draft.requester_phone}
    return {
        **_fields(draft.fields),
        "subject": _subject(draft.subject),
        "description": to_html(draft.text),
        "status": OPEN,
        "priority": PRIORITIES[draft.priority or "low"],  # low is Freshdesk's own default
        "source": PHONE,
        **({"requester_id": requester} if requester else _without_nulls(contact)),
        **_without_nulls({"responder_id": assignee}),
        **({"type": TYPES[draft.type]} if draft.type else {}),
        **({"tags": list(draft.tags)} if draft.tags else {}),
    }


def ticket_change(change: TicketChange, status: int | None, assignee: int | None) -> dict[str, Any]:
    """Return the body that changes a ticket, without its tags."""
    values = {
        "subject": _subject(change.subject) if change.subject else None,
        "status": status,
        "priority": PRIORITIES[change.priority] if change.priority else None,
        "type": TYPES[change.type] if change.type else None,
        "responder_id": assignee,
    }
    return {**_fields(change.fields), **_without_nulls(values)}


def changed_tags(change: TicketChange, tags: list[str] | None) -> list[str]:
    """Return all the tags that a ticket has after a change; case does not tell tags apart."""
    before = [*(tags or ())]
    known = {tag.casefold() for tag in before}
    after = before + [tag for tag in change.add_tags if tag.casefold() not in known]
    removed = {tag.casefold() for tag in change.remove_tags}
    return [tag for tag in after if tag.casefold() not in removed]


def contact(draft: UserDraft, company: int | None) -> dict[str, Any]:
    """Return the body that adds or changes a contact."""
    return _without_nulls(
        {
            "name": draft.name,
            "email": draft.email,
            "phone": draft.phone,
            "company_id": company,
        }
    )


def merge_note(comment: str | None) -> dict[str, Any]:
    """Return the note that a merge adds; without a comment, Freshdesk writes its own note."""
    return {"note_in_primary": {"body": to_html(comment), "private": True}} if comment else {}


def call_note(log: CallLog) -> str:
    """Return the text of a call's time entry."""
    length = f"{log.seconds // 60}:{log.seconds % 60:02}"
    return f"{log.direction.capitalize()} call, {log.phone}, {length} minutes. {log.summary}"


def time_entry(log: CallLog) -> dict[str, Any]:
    """Return the body that logs a call as time spent on a ticket."""
    minutes = max(1, -(-log.seconds // 60))  # rounded up
    return {
        "note": call_note(log),
        "time_spent": f"{minutes // 60:02}:{minutes % 60:02}",
        "executed_at": format_utc(log.started_at),
        "billable": False,
    }


def to_html(text: str) -> str:
    """Return a plain text as HTML, with its markup escaped."""
    lines = (html.escape(line, quote=False) for line in text.splitlines())
    return f"<div>{'<br>'.join(lines)}</div>"


def _subject(subject: str) -> str:
    if len(subject) > _MAX_SUBJECT:
        raise Rejected(
            f"Freshdesk takes subjects of up to {_MAX_SUBJECT} characters.",
            next="Call again with a shorter subject.",
        )
    return subject


def _fields(fields: Fields) -> dict[str, Any]:
    require_moments(fields, _MOMENTS)
    custom = {name: value for name, value in fields.items() if name not in _STANDARD_FIELDS}
    standard = {name: value for name, value in fields.items() if name in _STANDARD_FIELDS}
    return {**standard, **({"custom_fields": custom} if custom else {})}


def _without_nulls(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
