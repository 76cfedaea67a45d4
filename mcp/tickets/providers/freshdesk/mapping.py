"""Freshdesk's records in our words, and ours in Freshdesk's."""

import html
from collections.abc import Mapping
from typing import Any, Literal, cast

from phonenumbers import NumberParseException, PhoneNumberFormat, format_number, parse

from tickets.provider import (
    CallLog,
    Change,
    Comment,
    Draft,
    Fields,
    Organization,
    Priority,
    Ticket,
    TicketType,
    User,
    UserDraft,
)
from tickets.providers.freshdesk import responses as records
from toolkit.speech.people import digits, fold, same_number

OPEN, PHONE = 2, 3  # a new ticket's status and source
STATUSES: Mapping[str, int] = {"new": 2, "open": 2, "pending": 3, "solved": 4, "closed": 5}
NAMES: Mapping[int, str] = {2: "open", 3: "pending", 4: "solved", 5: "closed"}
TYPES: Mapping[TicketType, str] = {
    "question": "Question",
    "incident": "Incident",
    "problem": "Problem",
    "task": "Task",
}
_PRIORITIES: Mapping[Priority, int] = {"low": 1, "normal": 2, "high": 3, "urgent": 4}
_PRIORITY_NAMES: Mapping[int, Priority] = {value: name for name, value in _PRIORITIES.items()}
_TYPE_NAMES: Mapping[str, TicketType] = {value.casefold(): name for name, value in TYPES.items()}
# What is not the tenant's own field, and not ours either.
_STANDARD = frozenset({"group_id", "product_id", "company_id", "due_by", "fr_due_by"})


def ticket_of(found: records.Ticket, statuses: Mapping[int, str]) -> Ticket:
    """Return a ticket in our words; `statuses` are the tenant's own."""
    return Ticket(
        id=str(found.id),
        subject=found.subject or "",
        status=NAMES.get(found.status) or statuses.get(found.status) or f"status {found.status}",
        priority=_PRIORITY_NAMES.get(found.priority or 0),
        type=_TYPE_NAMES.get((found.type or "").casefold()),
        requester=_id(found.requester_id),
        assignee=_id(found.responder_id),
        organization=_id(found.company_id),
        tags=tuple(found.tags or ()),
        text=found.description_text,
        created_at=found.created_at,
        updated_at=found.updated_at,
    )


def description_of(found: records.Ticket) -> Comment:
    """Return what a ticket was opened with, as the first of its comments."""
    return Comment(
        id=f"description-{found.id}",
        text=found.description_text or "",
        by="customer",
        author=_id(found.requester_id),
        created_at=found.created_at,
    )


def comment_of(found: records.Conversation, us: int) -> Comment:
    """Return a reply or a note in our words; `us` is the agent whose key we have."""
    by: Literal["us", "agent", "customer"] = "us" if found.user_id == us else "agent"
    return Comment(
        id=str(found.id),
        text=found.body_text or "",
        by="customer" if found.incoming else by,
        author=_id(found.user_id),
        public=not found.private,
        created_at=found.created_at,
    )


def user_of(found: records.Contact, phone: str | None = None) -> User:
    """Return a customer in our words, with the one of two numbers that is `phone`."""
    numbers = [each for each in (found.phone, found.mobile) if each]
    meant = [each for each in numbers if phone and same_number(phone, each)]
    return User(
        id=str(found.id),
        name=found.name or "",
        email=found.email,
        phone=next(iter(meant or numbers), None),
        organization=_id(found.company_id),
    )


def agent_of(found: records.Agent) -> User:
    """Return an agent in our words."""
    who = records.Contact(id=found.id, **found.contact.model_dump())
    return user_of(who).model_copy(update={"role": "agent"})


def organization_of(found: records.Company) -> Organization:
    """Return a company in our words."""
    return Organization(
        id=str(found.id), name=found.name, notes=found.note or found.description or None
    )


def statuses_of(fields: records.TicketFields) -> dict[int, str]:
    """Return the tenant's own statuses by their numbers."""
    choices = next((each.choices for each in fields.root if each.type == "default_status"), None)
    if not isinstance(choices, dict):
        return {}
    names = {int(number): _name(name) for number, name in choices.items() if number.isdecimal()}
    return {number: name for number, name in names.items() if name and number not in NAMES}


def new_ticket(draft: Draft, requester: int | None, assignee: int | None) -> dict[str, Any]:
    """Return what opens a ticket. A phone number without an address needs a name."""
    name = draft.requester_name or (None if draft.requester_email else draft.requester_phone)
    who = {"name": name, "email": draft.requester_email, "phone": draft.requester_phone}
    return {
        **_given(draft.fields),
        "subject": draft.subject,
        "description": as_html(draft.text),
        "status": OPEN,
        "priority": _PRIORITIES[draft.priority or "low"],  # Freshdesk's own default
        "source": PHONE,
        **({"requester_id": requester} if requester else _without_nulls(who)),
        **_without_nulls({"responder_id": assignee}),
        **({"type": TYPES[draft.type]} if draft.type else {}),
        **({"tags": list(draft.tags)} if draft.tags else {}),
    }


def changed(change: Change, status: int | None, assignee: int | None) -> dict[str, Any]:
    """Return what changes a ticket, but for its tags."""
    values = {
        "subject": change.subject,
        "status": status,
        "priority": _PRIORITIES[change.priority] if change.priority else None,
        "type": TYPES[change.type] if change.type else None,
        "responder_id": assignee,
    }
    return {**_given(change.fields), **_without_nulls(values)}


def tags_after(change: Change, tags: list[str] | None) -> list[str]:
    """Return all the tags that a ticket is to have."""
    there = [*(tags or ())]
    known = {tag.casefold() for tag in there}
    there += [tag for tag in change.add_tags if tag.casefold() not in known]
    gone = {tag.casefold() for tag in change.remove_tags}
    return [tag for tag in there if tag.casefold() not in gone]


def person(draft: UserDraft, company: int | None) -> dict[str, Any]:
    """Return what adds or changes a customer."""
    return _without_nulls(
        {
            "name": draft.name,
            "email": draft.email,
            "phone": draft.phone,
            "company_id": company,
        }
    )


def merge_note(comment: str | None) -> dict[str, Any]:
    """Return what says why tickets are merged; without it, Freshdesk writes its own note."""
    return {"note_in_primary": {"body": as_html(comment), "private": True}} if comment else {}


def call_note(log: CallLog) -> str:
    """Return what is written down of a call."""
    length = f"{log.seconds // 60}:{log.seconds % 60:02}"
    return f"{log.direction.capitalize()} call, {log.phone}, {length} minutes. {log.summary}"


def spent(seconds: int) -> str:
    """Return a length as hh:mm, begun minutes as whole ones."""
    minutes = max(1, -(-seconds // 60))
    return f"{minutes // 60:02}:{minutes % 60:02}"


def written(phone: str) -> list[str]:
    """Return the ways in which a number may have been written down."""
    ways = [phone]
    if phone.startswith("+"):
        ways.append(digits(phone))
        try:
            number = parse(phone)
        except NumberParseException:
            return ways
        ways.append(format_number(number, PhoneNumberFormat.E164))
        ways.append(format_number(number, PhoneNumberFormat.INTERNATIONAL))
        ways.append(format_number(number, PhoneNumberFormat.NATIONAL))
    return [*dict.fromkeys(ways)]


def as_html(text: str) -> str:
    """Return a text as Freshdesk wants it, with nothing in it that is markup."""
    lines = (html.escape(line, quote=False) for line in text.splitlines())
    return f"<div>{'<br>'.join(lines)}</div>"


def same_text(one: str | None, other: str | None) -> bool:
    """Say whether two texts are the same; what Freshdesk makes of line breaks, it does not say."""
    return "".join((one or "").split()) == "".join((other or "").split())


def holds(found: records.Ticket, words: str) -> bool:
    """Say whether all the words are in a ticket's subject, text or tags."""
    written = fold(" ".join((found.subject or "", found.description_text or "")))
    tags = fold(" ".join(found.tags or ()))
    return all(word in f"{written} {tags}" for word in fold(words).split())


def _name(choice: object) -> str | None:
    """Return what agents call a status; customers may be told something else."""
    first = next(iter(cast("list[object]", choice)), None) if isinstance(choice, list) else choice
    return first if isinstance(first, str) else None


def _given(fields: Fields) -> dict[str, Any]:
    own = {name: value for name, value in fields.items() if name not in _STANDARD}
    standard = {name: value for name, value in fields.items() if name in _STANDARD}
    return {**standard, **({"custom_fields": own} if own else {})}


def _without_nulls(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _id(number: int | None) -> str | None:
    return None if number is None else str(number)
