"""The sentences that the tools say, and the phrases that they are made of."""

from collections.abc import Sequence

from tickets.provider import (
    Availability,
    BatchOutcome,
    Ticket,
    TicketChange,
    TicketDraft,
    User,
    UserDraft,
)
from tickets.results import SHORT
from toolkit.speech import phrases
from toolkit.speech.phrases import number_words
from toolkit.speech.text import capitalize, cut

ANYTHING_ELSE = "Is there anything else?"
READ_BACK = 200  # bytes of a text that is read back
_SUBJECT, _NAME = 70, 60  # bytes
_MAX_WORDED = 60  # numbers from here on are digits


def describe_ticket(ticket: Ticket) -> str:
    """Return a ticket in a phrase, such as `ticket 12, No light in the hall`."""
    return f"ticket {ticket.id}, {cut(ticket.subject, _SUBJECT)}"


def describe_user(user: User) -> str:
    """Return a user's name, else their address, number or id."""
    return cut(user.name or user.email or user.phone or user.id, _NAME)


def describe_change(change: TicketChange) -> str:
    """Return the values of a change, as they are read back."""
    values = {
        "subject": change.subject,
        "status": change.status,
        "priority": change.priority,
        "type": change.type,
        "assignee": change.assignee,
        "more tags": ", ".join(change.add_tags),
        "without the tags": ", ".join(change.remove_tags),
    }
    named = [f"{name} {cut(value, READ_BACK)}" for name, value in values.items() if value]
    return "; ".join([*named, *(f"{name} {value}" for name, value in change.fields.items())])


def describe_contact(draft: UserDraft) -> str:
    """Return a user's e-mail address and phone number, or that there is neither."""
    return " and ".join(filter(None, (draft.email, draft.phone))) or "without an address"


def count(number: int, noun: str) -> str:
    """Return a number with its noun, such as `three tickets`."""
    return f"{_number(number)} {noun if number == 1 else f'{noun}s'}"


def tickets_sentence(tickets: Sequence[Ticket], *, more: bool) -> str:
    """Return what is said about a list of tickets; no more than `SHORT` are named."""
    if not tickets:
        return "I can't find any such ticket."
    named = phrases.join_words([describe_ticket(each) for each in tickets[:SHORT]], "and")
    partial = more or len(tickets) > SHORT
    return f"Among others, there is {named}." if partial else f"I have {named}."


def users_sentence(users: Sequence[User], *, more: bool) -> str:
    """Return what is said about a list of users; no more than `SHORT` are named."""
    if not users:
        return "I can't find anybody like that."
    named = phrases.join_words([describe_user(each) for each in users[:SHORT]], "and")
    partial = more or len(users) > SHORT
    return f"I found {named}, and others." if partial else f"I found {named}."


def batch_sentence(outcome: BatchOutcome, noun: str, verb: str) -> str:
    """Return what is said about a bulk call; `verb` is a past participle, such as `deleted`."""
    if outcome.job is not None:
        return f"They are being {verb}; that takes a little longer. The job is {outcome.job}."
    number, refused = len(outcome.done), len(outcome.refused)
    have = "has" if number == 1 else "have"
    if not refused:
        return f"Done, {count(number, noun)} {have} been {verb}."
    others = f"{_number(refused)} could not be"
    return f"{capitalize(count(number, noun))} {have} been {verb}, and {others}."


def created_sentence(ticket_id: str) -> str:
    """Return what is said about a ticket that has been created."""
    return f"Done, your ticket is number {ticket_id}. {ANYTHING_ELSE}"


def create_question(draft: TicketDraft) -> str:
    """Return the question whether to create a ticket."""
    requester = f", for {draft.requester_name}" if draft.requester_name else ""
    return f"A ticket about {cut(draft.subject, READ_BACK)}{requester}. Shall I open it?"


def change_question(ticket: Ticket, change: TicketChange) -> str:
    """Return the question whether to change a ticket."""
    return f"{capitalize(describe_ticket(ticket))}: {describe_change(change)}. Shall I change it?"


def availability_sentence(agents: Sequence[Availability]) -> str:
    """Return who can take a call; who cannot is named if nobody can."""
    available = [each.name for each in agents if each.available]
    busy = [each.name for each in agents if not each.available]
    if available:
        return f"{phrases.join_words(available, 'and')} can take a call now."
    if busy:
        return f"{phrases.join_words(busy, 'and')} can't take a call now."
    return "Nobody can take a call now."


def _number(number: int) -> str:
    return number_words(number) if number < _MAX_WORDED else str(number)
