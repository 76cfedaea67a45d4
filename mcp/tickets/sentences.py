"""What callers are told about tickets, their comments, and the people they are about."""

from collections.abc import Sequence
from typing import Literal

from config.language.catalogue import Catalogue
from tickets.provider import (
    Availability,
    BatchOutcome,
    CallLog,
    FieldValue,
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

BatchKind = Literal["ticket", "user"]
Deed = Literal["created", "changed", "deleted", "merged", "saved"]

READ_BACK = 200  # bytes of a text that is read back
_SUBJECT, _NAME = 70, 60  # bytes
_MAX_WORDED = 60  # numbers from here on are digits

say = Catalogue("tickets")


def user_label(user: User) -> str:
    """Return a user's name, else their address, number or id."""
    return cut(user.name or user.email or user.phone or user.id, _NAME)


def describe_ticket(ticket: Ticket) -> str:
    """Return a ticket and its status, as a sentence."""
    return say("show_ticket", **_title(ticket), status=ticket.status)


def describe_tickets(tickets: Sequence[Ticket], *, more: bool) -> str:
    """Return the sentence about a list of tickets; no more than `SHORT` are named."""
    if not tickets:
        return say("no_tickets")
    named = [say("listed_ticket", **_title(each)) for each in tickets[:SHORT]]
    return say(
        "tickets",
        tickets=phrases.join_words(named, "and"),
        count=len(named),
        more=_yes(more or len(tickets) > SHORT),
    )


def describe_comments(ticket_id: str, count: int, last: str) -> str:
    """Return how many comments a ticket has, and the beginning of the last one."""
    return say("comments", ticket=ticket_id, count=count, last=cut(last, READ_BACK))


def describe_users(users: Sequence[User], *, more: bool) -> str:
    """Return the sentence about a list of users; no more than `SHORT` are named."""
    if not users:
        return say("nobody_found")
    named = [user_label(each) for each in users[:SHORT]]
    return say(
        "users",
        users=phrases.join_words(named, "and"),
        count=len(named),
        more=_yes(more or len(users) > SHORT),
    )


def describe_batch(outcome: BatchOutcome, kind: BatchKind, deed: Deed) -> str:
    """Return the sentence about a bulk call."""
    if outcome.job is not None:
        return say("batch_started", kind=kind, deed=deed, job=outcome.job)
    count, refused = len(outcome.done), len(outcome.refused)
    number = _number(count)
    if not refused:
        return say("batch_done", kind=kind, deed=deed, count=count, number=number)
    words = _number(refused)
    said = say("batch_partly_done", kind=kind, deed=deed, count=count, number=number, refused=words)
    return capitalize(said)


def describe_availability(agents: Sequence[Availability]) -> str:
    """Return who can take a call; who cannot is named if nobody can."""
    available = [each.name for each in agents if each.available]
    named = available or [each.name for each in agents]
    if not named:
        return say("nobody_available")
    return say(
        "availability",
        agents=phrases.join_words(named, "and"),
        count=len(named),
        available=_yes(bool(available)),
    )


def confirm_ticket(draft: TicketDraft) -> str:
    """Return the question whether to create a ticket."""
    return say(
        "confirm_ticket",
        subject=cut(draft.subject, READ_BACK),
        requester=draft.requester_name or "",
        named=_yes(bool(draft.requester_name)),
    )


def confirm_change(ticket: Ticket, change: TicketChange) -> str:
    """Return the question whether to change a ticket."""
    return say("confirm_change", **_title(ticket), changes=_describe_change(change))


def confirm_deletion(ticket: Ticket) -> str:
    """Return the question whether to delete a ticket."""
    return say("confirm_deletion", **_title(ticket))


def confirm_comment(ticket: Ticket, text: str) -> str:
    """Return the question whether to add a comment, which is read back in one line."""
    return say("confirm_comment", **_title(ticket), text=cut(text, READ_BACK).rstrip(".!?"))


def confirm_batch(count: int, kind: BatchKind, deed: Deed) -> str:
    """Return the question whether to do that to many records."""
    return capitalize(
        say("confirm_batch", kind=kind, deed=deed, count=count, number=_number(count))
    )


def confirm_merge(count: int, target: Ticket) -> str:
    """Return the question whether to merge tickets into another one."""
    return capitalize(say("confirm_merge", count=count, number=_number(count), **_title(target)))


def confirm_user(draft: UserDraft) -> str:
    """Return the question whether to add a user."""
    contact = _describe_contact(draft)
    return say(
        "confirm_user", name=draft.name or "", contact=contact, reachable=_yes(bool(contact))
    )


def confirm_saved_user(draft: UserDraft) -> str:
    """Return the question whether to add or change a user, who has an address."""
    return say("confirm_saved_user", name=draft.name or "", contact=_describe_contact(draft))


def confirm_user_change(user: User, values: Sequence[str]) -> str:
    """Return the question whether to change a user; `values` are the new ones."""
    listed = phrases.list_words(values, "comma")
    return say("confirm_user_change", name=user_label(user), values=listed)


def confirm_call(log: CallLog) -> str:
    """Return the question whether to write a call down."""
    return say("confirm_call", phone=log.phone, ticket=log.ticket or "", noted=_where(log))


def call_logged(log: CallLog) -> str:
    """Return the sentence after a call has been written down."""
    return say("call_logged", ticket=log.ticket or "", noted=_where(log))


def ticket_changed(ticket: Ticket, change: TicketChange) -> str:
    """Return the sentence after a ticket has been changed; `ticket` has its new status."""
    changed = "status" if change.status else "other"
    return say("ticket_changed", ticket=ticket.id, status=ticket.status, changed=changed)


def _describe_change(change: TicketChange) -> str:
    """Return the values of a change, as they are read back."""
    values = {
        "subject": change.subject,
        "status": change.status,
        "priority": change.priority,
        "type": change.type,
        "assignee": change.assignee,
        "add_tags": phrases.list_words(change.add_tags, "comma"),
        "remove_tags": phrases.list_words(change.remove_tags, "comma"),
    }
    named = [
        say("change", field=field, value=cut(value, READ_BACK))
        for field, value in values.items()
        if value
    ]
    own = [_describe_own_field(name, value) for name, value in change.fields.items()]
    return phrases.list_words([*named, *own], "semicolon")


def _describe_own_field(name: str, value: FieldValue | None) -> str:
    if value is None:
        return say("empty_field", field=name)
    if isinstance(value, bool):
        return say("own_flag", field=name, value=_yes(value))
    return say("own_field", field=name, value=str(value))


def _describe_contact(draft: UserDraft) -> str:
    """Return a user's e-mail address and phone number; empty if there is neither."""
    return phrases.join_words([each for each in (draft.email, draft.phone) if each], "and")


def _title(ticket: Ticket) -> dict[str, str]:
    return {"ticket": ticket.id, "subject": cut(ticket.subject, _SUBJECT)}


def _where(log: CallLog) -> str:
    return "in_ticket" if log.ticket else "other"


def _yes(answer: bool) -> str:
    return "yes" if answer else "no"


def _number(number: int) -> str:
    return number_words(number) if number < _MAX_WORDED else str(number)
