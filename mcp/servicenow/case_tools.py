"""The tools for customers' cases, as the model sees them."""

from fastmcp.tools import tool

from servicenow.operations import (
    DESK,
    READING,
    WRITING,
    Desk,
    Name,
    Summary,
    Words,
    asked,
    done,
    looked_for,
    opened,
    sentence,
    titled,
)
from servicenow.provider import Change, Draft, Level, State, Wanted
from servicenow.results import Detail, RecordAnswer, RecordList
from toolkit.effects import CHANGES, READS, WRITES
from toolkit.middleware.confirmation import confirm


@tool(
    title="Open a case",
    annotations=WRITES,
    tags={"voice"},
    timeout=WRITING,
    meta={
        "antiphon": {
            "examples": [
                {
                    "caller": "The pump that you sent us leaks. I'm ann@acme.example.",
                    "arguments": {"summary": "Pump leaks", "contact": "ann@acme.example"},
                }
            ]
        }
    },
)
async def create_case(
    summary: Summary,
    details: Words | None = None,
    contact: Name | None = None,
    priority: Level | None = None,
    group: Name | None = None,
    desk: Desk = DESK,
) -> RecordAnswer:
    """Open a customer's case. contact: the customer's id or e-mail."""
    if before := await desk.service.find_lost_create("case"):
        return opened(before)
    whose = await desk.person(contact, contact=True) if contact else None
    team = await desk.group(group) if group else None
    draft = Draft(
        kind="case",
        summary=summary,
        details=details,
        caller=whose.id if whose else None,
        priority=priority,
        group=team.id if team else None,
    )
    confirm(asked(draft, whose, team))
    return opened(await desk.service.create(draft))


@tool(title="Show a case", annotations=READS, timeout=READING)
async def get_case(case: Name, detail: Detail = "short", desk: Desk = DESK) -> RecordAnswer:
    """Show one case. case: its number."""
    return desk.tell(await desk.record("case", case), detail)


@tool(title="Change a case", annotations=CHANGES, timeout=WRITING)
async def update_case(
    case: Name,
    state: State | None = None,
    note: Words | None = None,
    priority: Level | None = None,
    group: Name | None = None,
    desk: Desk = DESK,
) -> RecordAnswer:
    """Change a case: only what is given. note: what the customer will read."""
    found = await desk.record("case", case)
    team = await desk.group(group) if group else None
    change = Change(state=state, note=note, priority=priority, group=team.id if team else None)
    told = desk.to_be(change, group=team.name if team else None)
    confirm(f"{sentence(titled(found))}: {told}. Shall I change it?")
    return done(await desk.service.update(found, change), change)


@tool(title="Find cases", annotations=READS, timeout=READING)
async def query_cases(
    text: Name | None = None,
    state: State | None = None,
    contact: Name | None = None,
    detail: Detail = "short",
    desk: Desk = DESK,
) -> RecordList:
    """Find cases, the last changed first. state open: neither solved nor closed."""
    wanted = Wanted(
        kind="case",
        words=looked_for(text),
        state=state,
        caller=(await desk.person(contact, contact=True)).id if contact else None,
    )
    return await desk.list(wanted, detail)
