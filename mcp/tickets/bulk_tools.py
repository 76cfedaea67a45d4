"""The tools for many tickets at once, as the model sees them."""

from typing import Annotated

from fastmcp.tools import tool
from pydantic import Field

from tickets.inputs import (
    Detail,
    FieldValues,
    Id,
    Ids,
    Line,
    NewTicket,
    Tags,
    Words,
    change_of,
    known_ids,
    worded,
)
from tickets.operations import (
    DESK,
    READING,
    WRITING,
    counted,
    done_many,
    listed_tickets,
    sentence,
    ticket_of,
    titled,
)
from tickets.provider import MOST, Priority, TicketPage, TicketProvider, TicketType
from tickets.results import BatchAnswer, TicketList
from toolkit.effects import CHANGES, DESTROYS, READS, WRITES
from toolkit.errors import Rejected
from toolkit.middleware.confirmation import confirm

NewTickets = Annotated[list[NewTicket], Field(min_length=1, max_length=MOST)]


@tool(title="Show many tickets", annotations=READS, timeout=READING)
async def show_many_tickets(
    tickets: Ids, detail: Detail = "short", desk: TicketProvider = DESK
) -> TicketList:
    """Show tickets by their ids."""
    wanted = known_ids(tickets, "ticket")
    found = await desk.tickets(wanted)
    there = {each.id for each in found}
    missing = [each for each in wanted if each not in there]
    return listed_tickets(TicketPage(tickets=tuple(found)), detail, missing)


@tool(title="Open many tickets", annotations=WRITES, timeout=WRITING)
async def create_many_tickets(tickets: NewTickets, desk: TicketProvider = DESK) -> BatchAnswer:
    """Open up to 100 tickets."""
    drafts = [each.draft() for each in tickets]
    if before := await desk.find_lost_create(drafts):
        return done_many(before, "ticket", "created")
    confirm(f"{sentence(counted(len(drafts), 'ticket'))} would be opened. Shall I do that?")
    return done_many(await desk.create(drafts), "ticket", "created")


@tool(title="Change many tickets", annotations=CHANGES, timeout=WRITING)
async def update_many_tickets(
    tickets: Ids,
    status: Line | None = None,
    priority: Priority | None = None,
    type: TicketType | None = None,
    assignee: Id | None = None,
    add_tags: Tags | None = None,
    remove_tags: Tags | None = None,
    fields: FieldValues | None = None,
    desk: TicketProvider = DESK,
) -> BatchAnswer:
    """Change up to 100 tickets, all in the same way."""
    changes = [
        change_of(
            ticket,
            subject=None,
            status=status,
            priority=priority,
            type=type,
            assignee=assignee,
            add_tags=add_tags,
            remove_tags=remove_tags,
            fields=fields,
        )
        for ticket in known_ids(tickets, "ticket")
    ]
    confirm(f"{sentence(counted(len(changes), 'ticket'))} would be changed. Shall I do that?")
    return done_many(await desk.update(changes), "ticket", "changed")


@tool(title="Delete many tickets", annotations=DESTROYS, timeout=WRITING)
async def delete_many_tickets(tickets: Ids, desk: TicketProvider = DESK) -> BatchAnswer:
    """Delete up to 100 tickets for good."""
    wanted = known_ids(tickets, "ticket")
    confirm(f"{sentence(counted(len(wanted), 'ticket'))} would be deleted. Shall I do that?")
    return done_many(await desk.delete(wanted), "ticket", "deleted")


@tool(title="Merge tickets", annotations=DESTROYS, timeout=WRITING)
async def merge_tickets(
    into: Id, tickets: Ids, comment: Words | None = None, desk: TicketProvider = DESK
) -> BatchAnswer:
    """Close tickets as parts of another one. This cannot be undone."""
    target = await ticket_of(desk, into)
    wanted = known_ids(tickets, "ticket")
    if target.id in wanted:
        raise Rejected("A ticket cannot be merged into itself.")
    how_many = counted(len(wanted), "ticket")
    confirm(f"{sentence(how_many)} would become part of {titled(target)}. Shall I merge them?")
    said = worded(comment) if comment else None
    return done_many(await desk.merge(target.id, wanted, said), "ticket", "merged")
