"""The tools for tasks and events."""

from fastmcp.tools import tool

from crm.inputs import (
    CustomValues,
    FieldNames,
    Id,
    Minutes,
    Name,
    Notes,
    Text,
    collect_values,
)
from crm.operations import OPERATIONS, CrmOperations
from crm.results import Detail, Event, Task
from toolkit.effects import CHANGES, READS, WRITES

_DEFAULT_MINUTES = 30  # of an event


@tool(title="Create a task", annotations=WRITES, tags={"voice"}, timeout=15.0)
async def create_task(
    subject: Name,
    due: Text | None = None,
    status: Text | None = None,
    priority: Text | None = None,
    about: Id | None = None,
    notes: Notes | None = None,
    fields: CustomValues | None = None,
    operations: CrmOperations = OPERATIONS,
) -> Task:
    """Note a task for the staff. due: the day, in the caller's words. about: a record's id."""
    values = collect_values(
        subject=subject,
        due_date=operations.parse_day(due),
        status=status,
        priority=priority,
        about=about,
        notes=notes,
    )
    return await operations.create_record(Task, values, fields)


@tool(title="Show a task", annotations=READS, timeout=8.0)
async def get_task(
    task: Id,
    fields: FieldNames = (),
    detail: Detail = "brief",
    operations: CrmOperations = OPERATIONS,
) -> Task:
    """Show one task. task: its id."""
    return await operations.get_record(Task, task, fields, detail)


@tool(title="Change a task", annotations=CHANGES, timeout=15.0)
async def update_task(
    task: Id,
    subject: Text | None = None,
    due: Text | None = None,
    status: Text | None = None,
    priority: Text | None = None,
    about: Id | None = None,
    notes: Notes | None = None,
    fields: CustomValues | None = None,
    operations: CrmOperations = OPERATIONS,
) -> Task:
    """Change a task: give only what is new. status: open or done."""
    values = collect_values(
        subject=subject,
        due_date=operations.parse_day(due),
        status=status,
        priority=priority,
        about=about,
        notes=notes,
    )
    return await operations.update_record(Task, task, values, fields)


@tool(title="Create an event", annotations=WRITES, tags={"voice"}, timeout=15.0)
async def create_event(
    subject: Name,
    when: Text,
    minutes: Minutes = _DEFAULT_MINUTES,
    location: Text | None = None,
    about: Id | None = None,
    notes: Notes | None = None,
    fields: CustomValues | None = None,
    operations: CrmOperations = OPERATIONS,
) -> Event:
    """Put an event into the calendar. when: day and time, in the caller's words."""
    values = collect_values(
        subject=subject,
        **operations.event_times(when, minutes),
        location=location,
        about=about,
        notes=notes,
    )
    return await operations.create_record(Event, values, fields)


@tool(title="Show an event", annotations=READS, timeout=8.0)
async def get_event(
    event: Id,
    fields: FieldNames = (),
    detail: Detail = "brief",
    operations: CrmOperations = OPERATIONS,
) -> Event:
    """Show one event. event: its id."""
    return await operations.get_record(Event, event, fields, detail)


@tool(title="Change an event", annotations=CHANGES, timeout=15.0)
async def update_event(
    event: Id,
    subject: Text | None = None,
    when: Text | None = None,
    minutes: Minutes | None = None,
    location: Text | None = None,
    about: Id | None = None,
    notes: Notes | None = None,
    fields: CustomValues | None = None,
    operations: CrmOperations = OPERATIONS,
) -> Event:
    """Move or change an event: give only what is new."""
    values = collect_values(
        subject=subject,
        **await operations.changed_event_times(event, when, minutes),
        location=location,
        about=about,
        notes=notes,
    )
    return await operations.update_record(Event, event, values, fields)
