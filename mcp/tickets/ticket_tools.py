"""The tools for one ticket, and for lists of tickets."""

from fastmcp.tools import tool

from tickets import sentences
from tickets.inputs import (
    Detail,
    FieldValues,
    Id,
    LongText,
    NewTicket,
    ShortText,
    Tags,
    to_change,
    to_id,
    to_line,
    to_status,
    to_tags,
)
from tickets.operations import (
    PROVIDER,
    READ_TIMEOUT,
    WRITE_TIMEOUT,
    require_ticket,
    search_tickets,
    single_id,
    ticket_list,
    ticket_result,
)
from tickets.provider import (
    Priority,
    Ticket,
    TicketChange,
    TicketDraft,
    TicketPage,
    TicketProvider,
    TicketQuery,
    TicketType,
)
from tickets.results import FULL, TicketList, TicketResult
from toolkit.effects import CHANGES, DESTROYS, READS, WRITES
from toolkit.errors import Rejected
from toolkit.middleware.confirmation import confirm
from toolkit.speech.people import similarity
from toolkit.speech.text import cut


@tool(
    title="Open a ticket",
    annotations=WRITES,
    tags={"voice"},
    timeout=WRITE_TIMEOUT,
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
            ],
            "caller": {
                "name": "requester_name",
                "phone": "requester_phone",
                "email": "requester_email",
            },
            "words": "text",
        }
    },
)
async def create_ticket(
    subject: ShortText,
    text: LongText,
    requester: Id | None = None,
    requester_name: ShortText | None = None,
    requester_email: ShortText | None = None,
    requester_phone: ShortText | None = None,
    priority: Priority | None = None,
    type: TicketType | None = None,
    assignee: Id | None = None,
    tags: Tags | None = None,
    fields: FieldValues | None = None,
    provider: TicketProvider = PROVIDER,
) -> TicketResult:
    """Note a problem or complaint for the team: open a ticket. requester: a user's id, if known."""
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
    ).to_draft()
    if lost := await provider.tickets.find_lost_create([draft]):
        return _created(draft, single_id(lost))
    confirm(sentences.confirm_ticket(draft))
    return _created(draft, single_id(await provider.tickets.create([draft])))


@tool(title="List tickets", annotations=READS, timeout=READ_TIMEOUT)
async def list_tickets(
    status: ShortText | None = None,
    type: TicketType | None = None,
    detail: Detail = "short",
    provider: TicketProvider = PROVIDER,
) -> TicketList:
    """List tickets, the last changed first. status: new, open, pending, solved, closed or own."""
    return await search_tickets(provider, TicketQuery(status=to_status(status), type=type), detail)


@tool(
    title="Show a ticket",
    annotations=READS,
    tags={"voice"},
    timeout=READ_TIMEOUT,
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
    ticket: Id, detail: Detail = "short", provider: TicketProvider = PROVIDER
) -> TicketResult:
    """Show one ticket. ticket: its id or number."""
    found = await require_ticket(provider, ticket)
    return ticket_result(found, sentences.describe_ticket(found), full=detail == "full")


@tool(title="Change a ticket", annotations=CHANGES, timeout=WRITE_TIMEOUT)
async def update_ticket(
    ticket: Id,
    subject: ShortText | None = None,
    status: ShortText | None = None,
    priority: Priority | None = None,
    type: TicketType | None = None,
    assignee: Id | None = None,
    add_tags: Tags | None = None,
    remove_tags: Tags | None = None,
    fields: FieldValues | None = None,
    provider: TicketProvider = PROVIDER,
) -> TicketResult:
    """Change a ticket: only what is given. status: new, open, pending, solved, closed or own."""
    change = to_change(
        to_id(ticket, "ticket"),
        subject=subject,
        status=status,
        priority=priority,
        type=type,
        assignee=assignee,
        add_tags=add_tags,
        remove_tags=remove_tags,
        fields=fields,
    )
    found = await require_ticket(provider, ticket)
    return await _update(provider, found, change)


@tool(title="Delete a ticket", annotations=DESTROYS, timeout=WRITE_TIMEOUT)
async def delete_ticket(ticket: Id, provider: TicketProvider = PROVIDER) -> TicketResult:
    """Delete a ticket for good."""
    found = await require_ticket(provider, ticket)
    confirm(sentences.confirm_deletion(found))
    single_id(await provider.tickets.delete([found.id]))
    return ticket_result(found, sentences.say("ticket_deleted", ticket=found.id))


@tool(title="List problems", annotations=READS, timeout=READ_TIMEOUT)
async def list_problems(
    detail: Detail = "short", provider: TicketProvider = PROVIDER
) -> TicketList:
    """List known problems: tickets that others are caused by."""
    return await search_tickets(provider, TicketQuery(type="problem"), detail)


@tool(title="Tag a ticket", annotations=CHANGES, timeout=WRITE_TIMEOUT)
async def add_tags(ticket: Id, tags: Tags, provider: TicketProvider = PROVIDER) -> TicketResult:
    """Add tags to a ticket."""
    found = await require_ticket(provider, ticket)
    change = TicketChange(id=found.id, add_tags=to_tags(tags))
    return await _update(provider, found, change)


@tool(title="Untag a ticket", annotations=CHANGES, timeout=WRITE_TIMEOUT)
async def remove_tags(ticket: Id, tags: Tags, provider: TicketProvider = PROVIDER) -> TicketResult:
    """Take tags off a ticket."""
    found = await require_ticket(provider, ticket)
    change = TicketChange(id=found.id, remove_tags=to_tags(tags))
    return await _update(provider, found, change)


@tool(
    title="Search tickets",
    annotations=READS,
    tags={"voice"},
    timeout=READ_TIMEOUT,
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
async def search(
    text: ShortText, detail: Detail = "short", provider: TicketProvider = PROVIDER
) -> TicketList:
    """Search tickets by a few words."""
    words = to_line(text)
    if not words:
        raise Rejected("There is nothing to search for.", say=sentences.say("which_words"))
    page = await provider.tickets.search(TicketQuery(text=words, limit=FULL))
    # Tickets that match in a comment only keep the vendor's order, behind those that match
    # themselves: the sort is stable, and their likeness is low.
    ranked = sorted(page.tickets, key=lambda each: _likeness(words, each), reverse=True)
    return ticket_list(TicketPage(tickets=tuple(ranked), more=page.more), detail)


def _likeness(words: str, ticket: Ticket) -> float:
    best = max(similarity(words, ticket.subject), similarity(words, ticket.text or ""))
    return round(best, 1)


async def _update(provider: TicketProvider, ticket: Ticket, change: TicketChange) -> TicketResult:
    """Change a ticket once the caller has confirmed it; the vendor may have moved it."""
    change = change.model_copy(update={"id": ticket.id})
    confirm(sentences.confirm_change(ticket, change))
    single_id(await provider.tickets.update([change]))
    tags = [tag for tag in (*ticket.tags, *change.add_tags) if tag not in change.remove_tags]
    values = change.model_dump(
        include={"subject", "status", "priority", "type", "assignee"}, exclude_none=True
    )
    after = ticket.model_copy(update={**values, "tags": tuple(dict.fromkeys(tags))})
    return ticket_result(after, sentences.ticket_changed(after, change))


def _created(draft: TicketDraft, ticket_id: str) -> TicketResult:
    return TicketResult(
        say=sentences.say("ticket_created", ticket=ticket_id),
        id=ticket_id,
        subject=cut(draft.subject, sentences.READ_BACK),
        priority=draft.priority,
        type=draft.type,
        requester=draft.requester,
        assignee=draft.assignee,
    )
