"""What Zendesk is sent: our records in its words."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, timedelta
from typing import Any, TypeVar

from tickets.provider import CallLog, Change, Draft, Fields, Refused, UserDraft
from toolkit.errors import NotFound, Rejected
from toolkit.speech.times import utc

T = TypeVar("T")

_NUMBER = re.compile(r"[1-9][0-9]{0,17}")
_OWN_FIELD = re.compile(r"custom_field_([1-9][0-9]{0,17})")
# What can be set of a ticket besides what has a name of ours.
_FIELDS = frozenset(
    {
        *("brand_id", "custom_status_id", "due_at", "group_id", "organization_id"),
        *("problem_id", "recipient", "ticket_form_id"),
    }
)


def each_or_refused(
    build: Callable[[T], dict[str, Any]], each_of: Mapping[str, T]
) -> tuple[dict[str, dict[str, Any]], tuple[Refused, ...]]:
    """Return what is sent of many records, and those that cannot be sent."""
    bodies: dict[str, dict[str, Any]] = {}
    refused: list[Refused] = []
    for which, each in each_of.items():
        try:
            bodies[which] = build(each)
        except (NotFound, Rejected) as failure:
            refused.append(Refused(which=which, reason=failure.happened))
    return bodies, tuple(refused)


def number(text: str, what: str) -> int:
    """Return an id as Zendesk counts.

    Raises:
        NotFound: it is none.
    """
    if not _NUMBER.fullmatch(text):
        raise NotFound(f"Zendesk has no such {what}.")
    return int(text)


def numbers(texts: Sequence[str]) -> list[int]:
    """Return those of the ids that can be some."""
    return [int(text) for text in texts if _NUMBER.fullmatch(text)]


def opened(draft: Draft, caller: int | None, mark: str | None) -> dict[str, Any]:
    """Return what opens a ticket.

    It is for the requester of the draft; else Zendesk finds who has the address, or adds them;
    else it is for `caller`. `mark` is what it is found by afterwards.
    """
    email = None if draft.requester else draft.requester_email
    name = draft.requester_name or email
    return {
        **_fields(draft.fields),
        "subject": draft.subject,
        "comment": {"body": draft.text},
        **_given(
            requester_id=number(draft.requester, "user") if draft.requester else caller,
            requester={"name": name, "email": email} if email else None,
            assignee_id=draft.assignee and number(draft.assignee, "agent"),
            priority=draft.priority,
            type=draft.type,
            tags=[*draft.tags],
            external_id=mark,
        ),
    }


def changed(change: Change) -> dict[str, Any]:
    """Return what changes a ticket, but for its tags."""
    return {
        **_fields(change.fields),
        **_given(
            subject=change.subject,
            status=change.status,
            priority=change.priority,
            type=change.type,
            assignee_id=change.assignee and number(change.assignee, "agent"),
        ),
    }


def one_of_many(change: Change) -> dict[str, Any]:
    """Return what changes one of many tickets, and its tags."""
    tags = _given(additional_tags=[*change.add_tags], remove_tags=[*change.remove_tags])
    return {"id": number(change.id, "ticket"), **changed(change), **tags}


def person(draft: UserDraft, organization: int | None) -> dict[str, Any]:
    """Return what makes or changes a user. Nobody is written to because of a phone call."""
    values = _given(
        name=draft.name, email=draft.email, phone=draft.phone, organization_id=organization
    )
    return {**values, **({"skip_verify_email": True} if draft.email else {})}


def changed_person(draft: UserDraft, organization: int | None) -> dict[str, Any]:
    """Return what changes a user who exists."""
    return {"id": number(draft.id or "", "user"), **person(draft, organization)}


def told(log: CallLog) -> tuple[str, str]:
    """Return a call as a comment: what was said, and when that was."""
    way = "from" if log.direction == "inbound" else "to"
    minutes, seconds = divmod(log.seconds, 60)
    begun = f"{log.started_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return f"{log.summary}\n\nCall {way} {log.phone}, {minutes}:{seconds:02}, ", f"begun {begun}."


def call_ticket(log: CallLog) -> Draft:
    """Return the ticket of a call that is about none."""
    return Draft(subject=f"Call with {log.phone}", text=log.summary, requester_phone=log.phone)


def call_of(log: CallLog, app: int, line: str) -> dict[str, Any]:
    """Return a call as one of Talk's; `line` is our own number."""
    from_line, to_line = (log.phone, line) if log.direction == "inbound" else (line, log.phone)
    return {
        "app_id": app,
        "from_line": from_line,
        "to_line": to_line,
        "direction": log.direction,
        "call_started_at": utc(log.started_at),
        "call_ended_at": utc(log.started_at + timedelta(seconds=log.seconds)),
        **_given(ticket_id=log.ticket and number(log.ticket, "ticket")),
    }


def _fields(fields: Fields) -> dict[str, Any]:
    own = {name: _OWN_FIELD.fullmatch(name) for name in fields}
    if any(not own[name] and name not in _FIELDS for name in fields):
        raise Rejected(
            "Zendesk's tickets have no field of that name.",
            next="Name a field of the business's own as custom_field_ and its number.",
        )
    custom = [{"id": int(match[1]), "value": fields[name]} for name, match in own.items() if match]
    values = {name: value for name, value in fields.items() if name in _FIELDS}
    return {**values, **({"custom_fields": custom} if custom else {})}


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, [], "")}
