"""The tools for incidents, as the model sees them."""

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
    title="Show an incident",
    annotations=READS,
    tags={"voice"},
    timeout=READING,
    meta={
        "antiphon": {
            "examples": [
                {
                    "caller": "What is the state of my incident, I N C ten thousand one?",
                    "arguments": {"incident": "INC0010001"},
                }
            ]
        }
    },
)
async def get_incident(incident: Name, detail: Detail = "short", desk: Desk = DESK) -> RecordAnswer:
    """Show one incident. incident: its number."""
    return desk.tell(await desk.record("incident", incident), detail)


@tool(
    title="Open an incident",
    annotations=WRITES,
    tags={"voice"},
    timeout=WRITING,
    meta={
        "antiphon": {
            "examples": [
                {
                    "caller": "My laptop does not connect to the VPN any more, and I need it today."
                    " My address is tom@acme.example.",
                    "arguments": {
                        "summary": "Laptop does not connect to the VPN",
                        "caller": "tom@acme.example",
                        "urgency": "high",
                    },
                }
            ]
        }
    },
)
async def create_incident(
    summary: Summary,
    details: Words | None = None,
    caller: Name | None = None,
    urgency: Level | None = None,
    impact: Level | None = None,
    group: Name | None = None,
    desk: Desk = DESK,
) -> RecordAnswer:
    """Open an incident. caller: the user's id or e-mail. impact: how many are affected."""
    if before := await desk.service.find_lost_create("incident"):
        return opened(before)
    whose = await desk.person(caller) if caller else None
    team = await desk.group(group) if group else None
    draft = Draft(
        kind="incident",
        summary=summary,
        details=details,
        caller=whose.id if whose else None,
        urgency=urgency,
        impact=impact,
        group=team.id if team else None,
    )
    confirm(asked(draft, whose, team))
    return opened(await desk.service.create(draft))


@tool(title="Change an incident", annotations=CHANGES, timeout=WRITING)
async def update_incident(
    incident: Name,
    state: State | None = None,
    note: Words | None = None,
    urgency: Level | None = None,
    impact: Level | None = None,
    group: Name | None = None,
    desk: Desk = DESK,
) -> RecordAnswer:
    """Change an incident: only what is given. note: what its caller will read."""
    found = await desk.record("incident", incident)
    team = await desk.group(group) if group else None
    change = Change(
        state=state, note=note, urgency=urgency, impact=impact, group=team.id if team else None
    )
    told = desk.to_be(change, group=team.name if team else None)
    confirm(f"{sentence(titled(found))}: {told}. Shall I change it?")
    return done(await desk.service.update(found, change), change)


@tool(title="Find incidents", annotations=READS, timeout=READING)
async def query_incidents(
    text: Name | None = None,
    state: State | None = None,
    caller: Name | None = None,
    group: Name | None = None,
    detail: Detail = "short",
    desk: Desk = DESK,
) -> RecordList:
    """Find incidents, the last changed first. state open: neither solved nor closed."""
    wanted = Wanted(
        kind="incident",
        words=looked_for(text),
        state=state,
        caller=(await desk.person(caller)).id if caller else None,
        group=(await desk.group(group)).id if group else None,
    )
    return await desk.list(wanted, detail)
