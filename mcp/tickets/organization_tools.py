"""The tools for organizations, calls and who takes them, as the model sees them."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

from fastmcp.tools import tool
from pydantic import Field

from tickets.inputs import Detail, Id, Line, Words, known_id, number, tidy, worded
from tickets.operations import DESK, READING, WRITING, found_tickets, organization_of
from tickets.provider import Availability, CallLog, TicketProvider, Wanted
from tickets.results import (
    SHORT,
    AgentRow,
    AvailabilityAnswer,
    LoggedCall,
    OrganizationAnswer,
    TicketList,
)
from toolkit.effects import READS, WRITES
from toolkit.errors import NotFound, Rejected
from toolkit.middleware.confirmation import confirm
from toolkit.speech import phrases
from toolkit.speech.clock import CLOCK, Clock
from toolkit.speech.text import cut

Minutes = Annotated[int, Field(ge=0, le=1440)]
Seconds = Annotated[int, Field(ge=0, le=86_400)]
_NOTES = 600  # bytes


@tool(title="Show an organization", annotations=READS, timeout=READING)
async def get_organization(organization: Id, desk: TicketProvider = DESK) -> OrganizationAnswer:
    """Show an organization. organization: its id."""
    found = await organization_of(desk, organization)
    notes = cut(found.notes, _NOTES) if found.notes else None
    return OrganizationAnswer(
        say=f"That is {found.name}.", id=found.id, name=found.name, notes=notes
    )


@tool(title="An organization's tickets", annotations=READS, timeout=READING)
async def get_organization_tickets(
    organization: Id, detail: Detail = "short", desk: TicketProvider = DESK
) -> TicketList:
    """List an organization's tickets. organization: its id."""
    found = await organization_of(desk, organization)
    return await found_tickets(desk, Wanted(of=found.id, part="organization"), detail)


@tool(title="Log a call", annotations=WRITES, timeout=WRITING)
async def log_call(
    phone: Line,
    direction: Literal["inbound", "outbound"],
    summary: Words,
    minutes: Minutes = 0,
    seconds: Seconds = 0,
    started: Line | None = None,
    ticket: Id | None = None,
    desk: TicketProvider = DESK,
    clock: Clock = CLOCK,
) -> LoggedCall:
    """Write a call down. started: its day and time; else it has just ended."""
    length = minutes * 60 + seconds
    log = CallLog(
        phone=number(phone),
        direction=direction,
        started_at=_start(clock, started, length),
        seconds=length,
        summary=worded(summary),
        ticket=known_id(ticket, "ticket") if ticket else None,
    )
    where = f" in ticket {log.ticket}" if log.ticket else ""
    confirm(f"The call with {log.phone} would be written down{where}. Shall I do that?")
    entry = await desk.log_call(log)
    say = f"Done, the call has been written down{where}."
    return LoggedCall(say=say, id=entry, ticket=log.ticket)


@tool(title="Check who is available", annotations=READS, timeout=READING)
async def check_availability(
    agent: Id | None = None, desk: TicketProvider = DESK
) -> AvailabilityAnswer:
    """Check whether an agent, by id, can take a call now; without one, who can."""
    found = await desk.availability(known_id(agent, "agent") if agent else None)
    if agent and not found:
        raise NotFound("There is no such agent.")
    shown = found[:SHORT]
    return AvailabilityAnswer(
        say=_free(shown),
        agents=[AgentRow(**each.model_dump()) for each in shown],
        more=len(found) > len(shown),
    )


def _start(clock: Clock, started: str | None, seconds: int) -> datetime:
    if started is None:
        return clock.now - timedelta(seconds=seconds)
    start = clock.moment(tidy(started))
    if start > clock.now:
        raise Rejected("That call has not been made yet.", say="When was the call?")
    return start


def _free(agents: list[Availability]) -> str:
    free = [each.name for each in agents if each.available]
    busy = [each.name for each in agents if not each.available]
    if free:
        return f"{phrases.join_words(free, 'and')} can take a call now."
    if busy:
        return f"{phrases.join_words(busy, 'and')} can't take a call now."
    return "Nobody can take a call now."
