"""The tools for incidents."""

from fastmcp.tools import tool

from servicenow import sentences
from servicenow.inputs import LongText, Name, Summary
from servicenow.operations import (
    OPERATIONS,
    READ_TIMEOUT,
    WRITE_TIMEOUT,
    ServiceNowOperations,
    creation_result,
    require_search_terms,
    update_result,
)
from servicenow.provider import Level, NewRecord, RecordChange, SearchQuery, State
from servicenow.results import Detail, RecordListResult, RecordResult
from toolkit.effects import CHANGES, READS, WRITES
from toolkit.middleware.confirmation import confirm


@tool(
    title="Show an incident",
    annotations=READS,
    tags={"voice"},
    timeout=READ_TIMEOUT,
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
async def get_incident(
    incident: Name, detail: Detail = "short", operations: ServiceNowOperations = OPERATIONS
) -> RecordResult:
    """Show one incident. incident: its number."""
    return operations.to_result(await operations.get_record("incident", incident), detail)


@tool(
    title="Open an incident",
    annotations=WRITES,
    tags={"voice"},
    timeout=WRITE_TIMEOUT,
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
    details: LongText | None = None,
    caller: Name | None = None,
    urgency: Level | None = None,
    impact: Level | None = None,
    group: Name | None = None,
    operations: ServiceNowOperations = OPERATIONS,
) -> RecordResult:
    """Open an incident. caller: the user's id or e-mail. impact: how many are affected."""
    if existing := await operations.provider.find_lost_create("incident"):
        return creation_result(existing)
    user = await operations.find_user(caller) if caller else None
    found_group = await operations.find_group(group) if group else None
    new = NewRecord(
        kind="incident",
        summary=summary,
        details=details,
        caller=user.id if user else None,
        urgency=urgency,
        impact=impact,
        group=found_group.id if found_group else None,
    )
    confirm(sentences.confirm_create(new, user, found_group))
    return creation_result(await operations.provider.create(new))


@tool(title="Change an incident", annotations=CHANGES, timeout=WRITE_TIMEOUT)
async def update_incident(
    incident: Name,
    state: State | None = None,
    note: LongText | None = None,
    urgency: Level | None = None,
    impact: Level | None = None,
    group: Name | None = None,
    operations: ServiceNowOperations = OPERATIONS,
) -> RecordResult:
    """Change an incident: only what is given. note: what its caller will read."""
    record = await operations.get_record("incident", incident)
    found_group = await operations.find_group(group) if group else None
    change = RecordChange(
        state=state,
        note=note,
        urgency=urgency,
        impact=impact,
        group=found_group.id if found_group else None,
    )
    changes = operations.describe_change(change, group=found_group)
    confirm(sentences.confirm_update(record, changes))
    return update_result(await operations.provider.update(record, change), change)


@tool(title="Find incidents", annotations=READS, timeout=READ_TIMEOUT)
async def query_incidents(
    text: Name | None = None,
    state: State | None = None,
    caller: Name | None = None,
    group: Name | None = None,
    detail: Detail = "short",
    operations: ServiceNowOperations = OPERATIONS,
) -> RecordListResult:
    """Find incidents, the last changed first. state open: neither solved nor closed."""
    query = SearchQuery(
        kind="incident",
        words=require_search_terms(text),
        state=state,
        caller=(await operations.find_user(caller)).id if caller else None,
        group=(await operations.find_group(group)).id if group else None,
    )
    return await operations.list_records(query, detail)
