"""The tools for many tickets at once."""

from typing import Annotated

from fastmcp.tools import tool
from pydantic import Field

from tickets import sentences
from tickets.inputs import (
    Detail,
    FieldValues,
    Id,
    Ids,
    LongText,
    NewTicket,
    ShortText,
    Tags,
    to_change,
    to_ids,
    to_text,
)
from tickets.operations import (
    PROVIDER,
    READ_TIMEOUT,
    WRITE_TIMEOUT,
    batch_result,
    require_ticket,
    ticket_list,
)
from tickets.provider import MAX_BATCH, Priority, TicketPage, TicketProvider, TicketType
from tickets.results import BatchResult, TicketList
from toolkit.effects import CHANGES, DESTROYS, READS, WRITES
from toolkit.errors import Rejected
from toolkit.middleware.confirmation import confirm

NewTickets = Annotated[list[NewTicket], Field(min_length=1, max_length=MAX_BATCH)]


@tool(title="Show many tickets", annotations=READS, timeout=READ_TIMEOUT)
async def show_many_tickets(
    tickets: Ids, detail: Detail = "short", provider: TicketProvider = PROVIDER
) -> TicketList:
    """Show tickets by their ids."""
    ids = to_ids(tickets, "ticket")
    found = await provider.tickets.get(ids)
    found_ids = {id for each in found for id in (each.id, *each.other_ids)}
    missing = [each for each in ids if each not in found_ids]
    return ticket_list(TicketPage(tickets=tuple(found)), detail, missing)


@tool(title="Open many tickets", annotations=WRITES, timeout=WRITE_TIMEOUT)
async def create_many_tickets(
    tickets: NewTickets, provider: TicketProvider = PROVIDER
) -> BatchResult:
    """Open up to 100 tickets."""
    drafts = [each.to_draft() for each in tickets]
    if lost := await provider.tickets.find_lost_create(drafts):
        return batch_result(lost, "ticket", "created")
    confirm(sentences.confirm_batch(len(drafts), "ticket", "created"))
    return batch_result(await provider.tickets.create(drafts), "ticket", "created")


@tool(title="Change many tickets", annotations=CHANGES, timeout=WRITE_TIMEOUT)
async def update_many_tickets(
    tickets: Ids,
    status: ShortText | None = None,
    priority: Priority | None = None,
    type: TicketType | None = None,
    assignee: Id | None = None,
    add_tags: Tags | None = None,
    remove_tags: Tags | None = None,
    fields: FieldValues | None = None,
    provider: TicketProvider = PROVIDER,
) -> BatchResult:
    """Change up to 100 tickets, all in the same way."""
    changes = [
        to_change(
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
        for ticket in to_ids(tickets, "ticket")
    ]
    confirm(sentences.confirm_batch(len(changes), "ticket", "changed"))
    return batch_result(await provider.tickets.update(changes), "ticket", "changed")


@tool(title="Delete many tickets", annotations=DESTROYS, timeout=WRITE_TIMEOUT)
async def delete_many_tickets(tickets: Ids, provider: TicketProvider = PROVIDER) -> BatchResult:
    """Delete up to 100 tickets for good."""
    ids = to_ids(tickets, "ticket")
    confirm(sentences.confirm_batch(len(ids), "ticket", "deleted"))
    return batch_result(await provider.tickets.delete(ids), "ticket", "deleted")


@tool(title="Merge tickets", annotations=DESTROYS, timeout=WRITE_TIMEOUT)
async def merge_tickets(
    into: Id, tickets: Ids, comment: LongText | None = None, provider: TicketProvider = PROVIDER
) -> BatchResult:
    """Close tickets as parts of another one. This cannot be undone."""
    target = await require_ticket(provider, into)
    ids = to_ids(tickets, "ticket")
    if target.id in ids:
        raise Rejected("A ticket cannot be merged into itself.")
    confirm(sentences.confirm_merge(len(ids), target))
    text = to_text(comment) if comment else None
    return batch_result(await provider.tickets.merge(target.id, ids, text), "ticket", "merged")
