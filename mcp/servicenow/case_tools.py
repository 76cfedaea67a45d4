"""The tools for customers' cases."""

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
    title="Open a case",
    annotations=WRITES,
    tags={"voice"},
    timeout=WRITE_TIMEOUT,
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
    details: LongText | None = None,
    contact: Name | None = None,
    priority: Level | None = None,
    group: Name | None = None,
    operations: ServiceNowOperations = OPERATIONS,
) -> RecordResult:
    """Open a customer's case. contact: the customer's id or e-mail."""
    if existing := await operations.provider.find_lost_create("case"):
        return creation_result(existing)
    user = await operations.find_user(contact, contact=True) if contact else None
    found_group = await operations.find_group(group) if group else None
    new = NewRecord(
        kind="case",
        summary=summary,
        details=details,
        caller=user.id if user else None,
        priority=priority,
        group=found_group.id if found_group else None,
    )
    confirm(sentences.confirm_create(new, user, found_group))
    return creation_result(await operations.provider.create(new))


@tool(title="Show a case", annotations=READS, timeout=READ_TIMEOUT)
async def get_case(
    case: Name, detail: Detail = "short", operations: ServiceNowOperations = OPERATIONS
) -> RecordResult:
    """Show one case. case: its number."""
    return operations.to_result(await operations.get_record("case", case), detail)


@tool(title="Change a case", annotations=CHANGES, timeout=WRITE_TIMEOUT)
async def update_case(
    case: Name,
    state: State | None = None,
    note: LongText | None = None,
    priority: Level | None = None,
    group: Name | None = None,
    operations: ServiceNowOperations = OPERATIONS,
) -> RecordResult:
    """Change a case: only what is given. note: what the customer will read."""
    record = await operations.get_record("case", case)
    found_group = await operations.find_group(group) if group else None
    change = RecordChange(
        state=state, note=note, priority=priority, group=found_group.id if found_group else None
    )
    changes = operations.describe_change(change, group=found_group)
    confirm(sentences.confirm_update(record, changes))
    return update_result(await operations.provider.update(record, change), change)


@tool(title="Find cases", annotations=READS, timeout=READ_TIMEOUT)
async def query_cases(
    text: Name | None = None,
    state: State | None = None,
    contact: Name | None = None,
    detail: Detail = "short",
    operations: ServiceNowOperations = OPERATIONS,
) -> RecordListResult:
    """Find cases, the last changed first. state open: neither solved nor closed."""
    query = SearchQuery(
        kind="case",
        words=require_search_terms(text),
        state=state,
        caller=(await operations.find_user(contact, contact=True)).id if contact else None,
    )
    return await operations.list_records(query, detail)
