"""Builds what Zendesk is sent from the provider's models."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, timedelta
from typing import Any, TypeVar

from tickets.dates import require_moments
from tickets.provider import CallLog, Fields, Refusal, TicketChange, TicketDraft, UserDraft
from toolkit.errors import NotFound, Rejected
from toolkit.instants import add
from toolkit.speech.times import format_utc

T = TypeVar("T")

_NUMBER = re.compile(r"[1-9][0-9]{0,17}")
_CUSTOM_FIELD = re.compile(r"custom_field_([1-9][0-9]{0,17})")
# Standard fields of a ticket that our models have no name for.
_STANDARD_FIELDS = frozenset(
    {
        *("brand_id", "custom_status_id", "due_at", "group_id", "organization_id"),
        *("problem_id", "recipient", "ticket_form_id"),
    }
)


def build_each(
    build: Callable[[T], dict[str, Any]], records: Mapping[str, T]
) -> tuple[dict[str, dict[str, Any]], tuple[Refusal, ...]]:
    """Return a body for each record, and the records that have none, with the reasons."""
    bodies: dict[str, dict[str, Any]] = {}
    refused: list[Refusal] = []
    for name, record in records.items():
        try:
            bodies[name] = build(record)
        except (NotFound, Rejected) as failure:
            refused.append(Refusal(record=name, reason=failure.happened))
    return bodies, tuple(refused)


def to_number(id: str, what: str) -> int:
    """Return an id as the number that Zendesk uses.

    Raises:
        NotFound: it is not a number; `what` is named in the message.
    """
    if not _NUMBER.fullmatch(id):
        raise NotFound(f"Zendesk has no such {what}.")
    return int(id)


def to_numbers(ids: Sequence[str]) -> list[int]:
    """Return the ids that are numbers."""
    return [int(id) for id in ids if _NUMBER.fullmatch(id)]


def new_ticket(draft: TicketDraft, requester: int | None, mark: str | None) -> dict[str, Any]:
    """Return the body that creates a ticket.

    The requester is the draft's, by id; else the user with the draft's e-mail address, whom
    Zendesk finds or adds; else `requester`. `mark` is an external id, to find the ticket by.
    """
    email = None if draft.requester else draft.requester_email
    name = draft.requester_name or email
    return {
        **_fields(draft.fields),
        "subject": draft.subject,
        "comment": {"body": draft.text},
        **_without_empty(
            requester_id=to_number(draft.requester, "user") if draft.requester else requester,
            requester={"name": name, "email": email} if email else None,
            assignee_id=draft.assignee and to_number(draft.assignee, "agent"),
            priority=draft.priority,
            type=draft.type,
            tags=[*draft.tags],
            external_id=mark,
        ),
    }


def ticket_change(change: TicketChange) -> dict[str, Any]:
    """Return the body that changes a ticket, without its tags."""
    return {
        **_fields(change.fields),
        **_without_empty(
            subject=change.subject,
            status=change.status,
            priority=change.priority,
            type=change.type,
            assignee_id=change.assignee and to_number(change.assignee, "agent"),
        ),
    }


def bulk_ticket_change(change: TicketChange) -> dict[str, Any]:
    """Return the body that changes one of many tickets, and its tags."""
    tags = _without_empty(additional_tags=[*change.add_tags], remove_tags=[*change.remove_tags])
    return {"id": to_number(change.id, "ticket"), **ticket_change(change), **tags}


def ticket_reference(ticket_id: str) -> dict[str, Any]:
    """Return the body that names one of many tickets."""
    return {"id": to_number(ticket_id, "ticket")}


def new_user(draft: UserDraft, organization: int | None) -> dict[str, Any]:
    """Return the body that creates a user; Zendesk sends them no e-mail."""
    values = _without_empty(
        name=draft.name, email=draft.email, phone=draft.phone, organization_id=organization
    )
    return {**values, **({"skip_verify_email": True} if draft.email else {})}


def user_change(draft: UserDraft, organization: int | None) -> dict[str, Any]:
    """Return the body that changes a user."""
    return {"id": to_number(draft.id or "", "user"), **new_user(draft, organization)}


def call_comment(log: CallLog) -> tuple[str, str]:
    """Return a call as the text of a comment, in two parts: all but its time, and its time."""
    preposition = "from" if log.direction == "inbound" else "to"
    minutes, seconds = divmod(log.seconds, 60)
    began = f"{log.started_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    call = f"Call {preposition} {log.phone}, {minutes}:{seconds:02}, "
    return f"{log.summary}\n\n{call}", f"begun {began}."


def call_ticket(log: CallLog) -> TicketDraft:
    """Return a ticket for a call that is about none."""
    return TicketDraft(
        subject=f"Call with {log.phone}", text=log.summary, requester_phone=log.phone
    )


def talk_call(log: CallLog, app: int, line: str) -> dict[str, Any]:
    """Return the body that stores a call in Talk; `line` is the tenant's own number."""
    from_line, to_line = (log.phone, line) if log.direction == "inbound" else (line, log.phone)
    return {
        "app_id": app,
        "from_line": from_line,
        "to_line": to_line,
        "direction": log.direction,
        "call_started_at": format_utc(log.started_at),
        "call_ended_at": format_utc(add(log.started_at, timedelta(seconds=log.seconds))),
        **_without_empty(ticket_id=log.ticket and to_number(log.ticket, "ticket")),
    }


def _fields(fields: Fields) -> dict[str, Any]:
    custom = {name: _CUSTOM_FIELD.fullmatch(name) for name in fields}
    if any(not custom[name] and name not in _STANDARD_FIELDS for name in fields):
        raise Rejected(
            "Zendesk's tickets have no field of that name.",
            next="Name a field of the business's own as custom_field_ and its number.",
        )
    require_moments(fields, ["due_at"])
    values = {name: value for name, value in fields.items() if name in _STANDARD_FIELDS}
    numbered = [
        {"id": int(match[1]), "value": fields[name]} for name, match in custom.items() if match
    ]
    return {**values, **({"custom_fields": numbered} if numbered else {})}


def _without_empty(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, [], "")}
