"""The tools for tasks, and for the groups that they are assigned to."""

from fastmcp.tools import tool

from servicenow import sentences
from servicenow.inputs import LongText, Name, Summary
from servicenow.operations import (
    OPERATIONS,
    READ_TIMEOUT,
    WRITE_TIMEOUT,
    ServiceNowOperations,
    creation_result,
    update_result,
)
from servicenow.provider import Level, NewRecord, RecordChange, SearchQuery, State
from servicenow.results import (
    Detail,
    GroupListResult,
    RecordListResult,
    RecordResult,
    max_rows,
    to_group_view,
    to_record_view,
)
from toolkit.effects import CHANGES, READS, WRITES
from toolkit.middleware.confirmation import confirm


@tool(title="Create a task", annotations=WRITES, timeout=WRITE_TIMEOUT)
async def create_task(
    summary: Summary,
    details: LongText | None = None,
    about: Name | None = None,
    due: Name | None = None,
    assignee: Name | None = None,
    group: Name | None = None,
    priority: Level | None = None,
    operations: ServiceNowOperations = OPERATIONS,
) -> RecordResult:
    """Create a task. about: the number of its incident or case. due: in the caller's own words."""
    if existing := await operations.provider.find_lost_create("task"):
        return creation_result(existing)
    user = await operations.find_user(assignee) if assignee else None
    found_group = await operations.find_group(group) if group else None
    new = NewRecord(
        kind="task",
        summary=summary,
        details=details,
        about=await operations.find_task_record_id(about) if about else None,
        due_at=operations.parse_due(due) if due else None,
        assignee=user.id if user else None,
        group=found_group.id if found_group else None,
        priority=priority,
    )
    confirm(sentences.confirm_create(new, user, found_group))
    return creation_result(await operations.provider.create(new))


@tool(title="Find tasks", annotations=READS, timeout=READ_TIMEOUT)
async def get_tasks(
    task: Name | None = None,
    assignee: Name | None = None,
    group: Name | None = None,
    about: Name | None = None,
    state: State | None = None,
    detail: Detail = "short",
    operations: ServiceNowOperations = OPERATIONS,
) -> RecordListResult:
    """Find tasks, or one by its number. about: the number of their incident or case."""
    if task:
        record = await operations.get_record("task", task)
        say = operations.to_result(record, detail).say
        return RecordListResult(say=say, records=[to_record_view(record, detail)])
    query = SearchQuery(
        kind="task",
        state=state,
        assignee=(await operations.find_user(assignee)).id if assignee else None,
        group=(await operations.find_group(group)).id if group else None,
        about=await operations.find_task_record_id(about) if about else None,
    )
    return await operations.list_records(query, detail)


@tool(title="Change a task", annotations=CHANGES, timeout=WRITE_TIMEOUT)
async def update_task(
    task: Name,
    state: State | None = None,
    note: LongText | None = None,
    due: Name | None = None,
    assignee: Name | None = None,
    group: Name | None = None,
    priority: Level | None = None,
    operations: ServiceNowOperations = OPERATIONS,
) -> RecordResult:
    """Change a task: only what is given. task: its number."""
    record = await operations.get_record("task", task)
    user = await operations.find_user(assignee) if assignee else None
    found_group = await operations.find_group(group) if group else None
    change = RecordChange(
        state=state,
        note=note,
        due_at=operations.parse_due(due) if due else None,
        assignee=user.id if user else None,
        group=found_group.id if found_group else None,
        priority=priority,
    )
    changes = operations.describe_change(change, assignee=user, group=found_group)
    confirm(sentences.confirm_update(record, changes))
    return update_result(await operations.provider.update(record, change), change)


@tool(title="Find assignment groups", annotations=READS, timeout=READ_TIMEOUT)
async def get_assignment_groups(
    name: Name | None = None,
    detail: Detail = "short",
    operations: ServiceNowOperations = OPERATIONS,
) -> GroupListResult:
    """Find the groups that work is assigned to."""
    provider = operations.provider
    groups = await operations.find_groups(name) if name else await provider.find_groups()
    limit = max_rows(detail)
    return GroupListResult(
        say=sentences.describe_groups(groups),
        groups=[to_group_view(each) for each in groups[:limit]],
        more=len(groups) > limit,
    )
