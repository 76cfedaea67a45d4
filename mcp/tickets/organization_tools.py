"""The tools for organizations, for the log of calls, and for who can take one."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

from fastmcp.tools import tool
from pydantic import Field

from tickets import sentences
from tickets.inputs import Detail, Id, LongText, ShortText, to_id, to_line, to_text
from tickets.operations import (
    PROVIDER,
    READ_TIMEOUT,
    WRITE_TIMEOUT,
    require_organization,
    search_tickets,
)
from tickets.provider import CallLog, TicketProvider, TicketQuery
from tickets.results import (
    SHORT,
    AgentRow,
    AvailabilityResult,
    LoggedCall,
    OrganizationResult,
    TicketList,
)
from toolkit.effects import READS, WRITES
from toolkit.errors import NotFound, Rejected
from toolkit.instants import add, utc
from toolkit.middleware.confirmation import confirm
from toolkit.speech.clock import CLOCK, Clock
from toolkit.speech.contact import to_phone
from toolkit.speech.text import cut

Minutes = Annotated[int, Field(ge=0, le=1440)]
Seconds = Annotated[int, Field(ge=0, le=86_400)]
_NOTES = 600  # bytes


@tool(title="Show an organization", annotations=READS, timeout=READ_TIMEOUT)
async def get_organization(
    organization: Id, provider: TicketProvider = PROVIDER
) -> OrganizationResult:
    """Show an organization. organization: its id."""
    found = await require_organization(provider, organization)
    notes = cut(found.notes, _NOTES) if found.notes else None
    say = sentences.say("shown", name=found.name)
    return OrganizationResult(say=say, id=found.id, name=found.name, notes=notes)


@tool(title="An organization's tickets", annotations=READS, timeout=READ_TIMEOUT)
async def get_organization_tickets(
    organization: Id, detail: Detail = "short", provider: TicketProvider = PROVIDER
) -> TicketList:
    """List an organization's tickets. organization: its id."""
    found = await require_organization(provider, organization)
    query = TicketQuery(related_to=found.id, relation="organization")
    return await search_tickets(provider, query, detail)


@tool(title="Log a call", annotations=WRITES, timeout=WRITE_TIMEOUT)
async def log_call(
    phone: ShortText,
    direction: Literal["inbound", "outbound"],
    summary: LongText,
    minutes: Minutes = 0,
    seconds: Seconds = 0,
    started: ShortText | None = None,
    ticket: Id | None = None,
    provider: TicketProvider = PROVIDER,
    clock: Clock = CLOCK,
) -> LoggedCall:
    """Write a call down. started: its day and time; else it has just ended."""
    length = minutes * 60 + seconds
    log = CallLog(
        phone=to_phone(phone),
        direction=direction,
        started_at=_start(clock, started, length),
        seconds=length,
        summary=to_text(summary),
        ticket=to_id(ticket, "ticket") if ticket else None,
    )
    confirm(sentences.confirm_call(log))
    entry = await provider.calls.log(log)
    return LoggedCall(say=sentences.call_logged(log), id=entry, ticket=log.ticket)


@tool(title="Check who is available", annotations=READS, timeout=READ_TIMEOUT)
async def check_availability(
    agent: Id | None = None, provider: TicketProvider = PROVIDER
) -> AvailabilityResult:
    """Check whether an agent, by id, can take a call now; without one, who can."""
    found = await provider.calls.availability(to_id(agent, "agent") if agent else None)
    if agent and not found:
        raise NotFound("There is no such agent.")
    shown = found[:SHORT]
    return AvailabilityResult(
        say=sentences.describe_availability(shown),
        agents=[AgentRow(**each.model_dump()) for each in shown],
        more=len(found) > len(shown),
    )


def _start(clock: Clock, started: str | None, seconds: int) -> datetime:
    if started is None:
        return add(clock.now, -timedelta(seconds=seconds))
    start = clock.parse_datetime(to_line(started), past=True)
    if utc(start) > utc(clock.now):
        raise Rejected("That call has not been made yet.", say=sentences.say("which_time"))
    return start
