"""The tools for one ticket, as the model sees them."""

from fastmcp.tools import tool

from tickets.inputs import (
    Detail,
    FieldValues,
    Id,
    Line,
    NewTicket,
    Tags,
    Words,
    change_of,
    known_id,
    labels,
    standing,
    tidy,
)
from tickets.operations import (
    ANYTHING_ELSE,
    DESK,
    READING,
    WRITING,
    done_one,
    found_tickets,
    listed_tickets,
    sentence,
    ticket_of,
    titled,
)
from tickets.provider import (
    Change,
    Draft,
    Priority,
    Ticket,
    TicketPage,
    TicketProvider,
    TicketType,
    Wanted,
)
from tickets.results import (
    FULL,
    TicketAnswer,
    TicketList,
    shown_ticket,
)
from toolkit.effects import CHANGES, DESTROYS, READS, WRITES
from toolkit.errors import Rejected
from toolkit.middleware.confirmation import confirm
from toolkit.speech.people import likeness
from toolkit.speech.text import cut

_READ_BACK = 200  # bytes


@tool(
    title="Open a ticket",
    annotations=WRITES,
    tags={"voice"},
    timeout=WRITING,
    meta={
        "antiphon": {
            "examples": [
                {
                    "caller": "The heating in my office has been cold since Monday. I'm Tom Hill,"
                    " 555 7781.",
                    "arguments": {
                        "subject": "Heating is cold",
                        "text": "The heating in the office has been cold since Monday.",
                        "requester_name": "Tom Hill",
                        "requester_phone": "5557781",
                    },
                }
            ]
        }
    },
)
async def create_ticket(
    subject: Line,
    text: Words,
    requester: Id | None = None,
    requester_name: Line | None = None,
    requester_email: Line | None = None,
    requester_phone: Line | None = None,
    priority: Priority | None = None,
    type: TicketType | None = None,
    assignee: Id | None = None,
    tags: Tags | None = None,
    fields: FieldValues | None = None,
    desk: TicketProvider = DESK,
) -> TicketAnswer:
    """Open a ticket. requester: a user's id, where known; else say who it is."""
    draft = NewTicket(
        subject=subject,
        text=text,
        requester=requester,
        requester_name=requester_name,
        requester_email=requester_email,
        requester_phone=requester_phone,
        priority=priority,
        type=type,
        assignee=assignee,
        tags=tags,
        fields=fields,
    ).draft()
    if before := await desk.find_lost_create([draft]):
        return _opened(draft, done_one(before))
    whose = f", for {draft.requester_name}" if draft.requester_name else ""
    confirm(f"A ticket about {cut(draft.subject, _READ_BACK)}{whose}. Shall I open it?")
    return _opened(draft, done_one(await desk.create([draft])))


@tool(title="List tickets", annotations=READS, timeout=READING)
async def list_tickets(
    status: Line | None = None,
    type: TicketType | None = None,
    detail: Detail = "short",
    desk: TicketProvider = DESK,
) -> TicketList:
    """List tickets, the last changed first. status: new, open, pending, solved, closed or own."""
    return await found_tickets(desk, Wanted(status=standing(status), type=type), detail)


@tool(
    title="Show a ticket",
    annotations=READS,
    tags={"voice"},
    timeout=READING,
    meta={
        "antiphon": {
            "examples": [
                {
                    "caller": "What has become of my ticket, number 4711?",
                    "arguments": {"ticket": "4711"},
                }
            ]
        }
    },
)
async def show_ticket(
    ticket: Id, detail: Detail = "short", desk: TicketProvider = DESK
) -> TicketAnswer:
    """Show one ticket. ticket: its id or number."""
    found = await ticket_of(desk, ticket)
    say = f"{sentence(titled(found))}. Its status is {found.status}."
    return _answer(found, say, full=detail == "full")


@tool(title="Change a ticket", annotations=CHANGES, timeout=WRITING)
async def update_ticket(
    ticket: Id,
    subject: Line | None = None,
    status: Line | None = None,
    priority: Priority | None = None,
    type: TicketType | None = None,
    assignee: Id | None = None,
    add_tags: Tags | None = None,
    remove_tags: Tags | None = None,
    fields: FieldValues | None = None,
    desk: TicketProvider = DESK,
) -> TicketAnswer:
    """Change a ticket: only what is given. status: new, open, pending, solved, closed or own."""
    change = change_of(
        known_id(ticket, "ticket"),
        subject=subject,
        status=status,
        priority=priority,
        type=type,
        assignee=assignee,
        add_tags=add_tags,
        remove_tags=remove_tags,
        fields=fields,
    )
    found = await ticket_of(desk, ticket)
    confirm(f"{sentence(titled(found))}: {_told(change)}. Shall I change it?")
    return await _changed(desk, found, change)


@tool(title="Delete a ticket", annotations=DESTROYS, timeout=WRITING)
async def delete_ticket(ticket: Id, desk: TicketProvider = DESK) -> TicketAnswer:
    """Delete a ticket for good."""
    found = await ticket_of(desk, ticket)
    confirm(f"{sentence(titled(found))}. Shall I delete it?")
    done_one(await desk.delete([found.id]))
    return _answer(found, f"Done, ticket {found.id} has been deleted.")


@tool(title="List problems", annotations=READS, timeout=READING)
async def list_problems(detail: Detail = "short", desk: TicketProvider = DESK) -> TicketList:
    """List known problems: tickets that others are caused by."""
    return await found_tickets(desk, Wanted(type="problem"), detail)


@tool(title="Tag a ticket", annotations=CHANGES, timeout=WRITING)
async def add_tags(ticket: Id, tags: Tags, desk: TicketProvider = DESK) -> TicketAnswer:
    """Add tags to a ticket."""
    found = await ticket_of(desk, ticket)
    change = Change(id=found.id, add_tags=labels(tags))
    confirm(f"{sentence(titled(found))}: {_told(change)}. Shall I change it?")
    return await _changed(desk, found, change)


@tool(title="Untag a ticket", annotations=CHANGES, timeout=WRITING)
async def remove_tags(ticket: Id, tags: Tags, desk: TicketProvider = DESK) -> TicketAnswer:
    """Take tags off a ticket."""
    found = await ticket_of(desk, ticket)
    change = Change(id=found.id, remove_tags=labels(tags))
    confirm(f"{sentence(titled(found))}: {_told(change)}. Shall I change it?")
    return await _changed(desk, found, change)


@tool(
    title="Search tickets",
    annotations=READS,
    tags={"voice"},
    timeout=READING,
    meta={
        "antiphon": {
            "examples": [
                {
                    "caller": "Is there a ticket about the cold heating already?",
                    "arguments": {"text": "heating cold"},
                }
            ]
        }
    },
)
async def search(text: Line, detail: Detail = "short", desk: TicketProvider = DESK) -> TicketList:
    """Search tickets by a few words."""
    words = tidy(text)
    if not words:
        raise Rejected("There is nothing to search for.", say="What should I look for?")
    page = await desk.find(Wanted(text=words, limit=FULL))
    # What is only alike in a comment stays where the desk has put it, behind what is alike itself.
    ranked = sorted(page.tickets, key=lambda each: _likeness(words, each), reverse=True)
    return listed_tickets(TicketPage(tickets=tuple(ranked), more=page.more), detail)


def _likeness(words: str, ticket: Ticket) -> float:
    found = max(likeness(words, ticket.subject), likeness(words, ticket.text or ""))
    return round(found, 1)


def _told(change: Change) -> str:
    """Return what is to change, as it is read back."""
    values = {
        "subject": change.subject,
        "status": change.status,
        "priority": change.priority,
        "type": change.type,
        "assignee": change.assignee,
        "more tags": ", ".join(change.add_tags),
        "without the tags": ", ".join(change.remove_tags),
    }
    told = [f"{name} {cut(value, _READ_BACK)}" for name, value in values.items() if value]
    return "; ".join([*told, *(f"{name} {value}" for name, value in change.fields.items())])


async def _changed(desk: TicketProvider, found: Ticket, change: Change) -> TicketAnswer:
    done_one(await desk.update([change]))
    tags = [tag for tag in (*found.tags, *change.add_tags) if tag not in change.remove_tags]
    given = change.model_dump(include={"subject", "status", "priority", "type", "assignee"})
    values = {name: value for name, value in given.items() if value is not None}
    after = found.model_copy(update={**values, "tags": tuple(dict.fromkeys(tags))})
    now = f"is now {after.status}" if change.status else "has been changed"
    return _answer(after, f"Done, ticket {found.id} {now}. {ANYTHING_ELSE}")


def _opened(draft: Draft, ticket: str) -> TicketAnswer:
    return TicketAnswer(
        say=f"Done, your ticket is number {ticket}. {ANYTHING_ELSE}",
        id=ticket,
        subject=cut(draft.subject, _READ_BACK),
        priority=draft.priority,
        type=draft.type,
        requester=draft.requester,
        assignee=draft.assignee,
    )


def _answer(ticket: Ticket, say: str, *, full: bool = False) -> TicketAnswer:
    return TicketAnswer(say=say, **shown_ticket(ticket, full=full).model_dump())
