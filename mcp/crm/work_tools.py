"""The tools for tasks, events and cases."""

from fastmcp.tools import tool

from crm.arguments import Id, Minutes, Name, Names, Notes, Own, Text
from crm.inputs import words
from crm.operations import DESK, Desk, Detail
from crm.results import Case, Event, Task
from toolkit.effects import CHANGES, READS, WRITES

_HALF_AN_HOUR = 30


@tool(title="Create a task", annotations=WRITES, tags={"voice"}, timeout=15.0)
async def create_task(
    subject: Name,
    due: Text | None = None,
    status: Text | None = None,
    priority: Text | None = None,
    about: Id | None = None,
    notes: Notes | None = None,
    fields: Own | None = None,
    desk: Desk = DESK,
) -> Task:
    """Note a task for the staff. due: the day, in the caller's words. about: a record's id."""
    values = words(
        subject=subject,
        due_date=desk.day(due),
        status=status,
        priority=priority,
        about=about,
        notes=notes,
    )
    return await desk.create(Task, values, fields)


@tool(title="Show a task", annotations=READS, timeout=8.0)
async def get_task(
    task: Id, fields: Names = (), detail: Detail = "brief", desk: Desk = DESK
) -> Task:
    """Show one task. task: its id."""
    return await desk.show(Task, task, fields, detail)


@tool(title="Change a task", annotations=CHANGES, timeout=15.0)
async def update_task(
    task: Id,
    subject: Text | None = None,
    due: Text | None = None,
    status: Text | None = None,
    priority: Text | None = None,
    about: Id | None = None,
    notes: Notes | None = None,
    fields: Own | None = None,
    desk: Desk = DESK,
) -> Task:
    """Change a task: give only what is new. status: open or done."""
    values = words(
        subject=subject,
        due_date=desk.day(due),
        status=status,
        priority=priority,
        about=about,
        notes=notes,
    )
    return await desk.change(Task, task, values, fields)


@tool(title="Create an event", annotations=WRITES, tags={"voice"}, timeout=15.0)
async def create_event(
    subject: Name,
    when: Text,
    minutes: Minutes = _HALF_AN_HOUR,
    location: Text | None = None,
    about: Id | None = None,
    notes: Notes | None = None,
    fields: Own | None = None,
    desk: Desk = DESK,
) -> Event:
    """Put an event into the calendar. when: day and time, in the caller's words."""
    values = words(
        subject=subject,
        **desk.times(when, minutes),
        location=location,
        about=about,
        notes=notes,
    )
    return await desk.create(Event, values, fields)


@tool(title="Show an event", annotations=READS, timeout=8.0)
async def get_event(
    event: Id, fields: Names = (), detail: Detail = "brief", desk: Desk = DESK
) -> Event:
    """Show one event. event: its id."""
    return await desk.show(Event, event, fields, detail)


@tool(title="Change an event", annotations=CHANGES, timeout=15.0)
async def update_event(
    event: Id,
    subject: Text | None = None,
    when: Text | None = None,
    minutes: Minutes | None = None,
    location: Text | None = None,
    about: Id | None = None,
    notes: Notes | None = None,
    fields: Own | None = None,
    desk: Desk = DESK,
) -> Event:
    """Move or change an event: give only what is new."""
    values = words(
        subject=subject,
        **await desk.moved(event, when, minutes),
        location=location,
        about=about,
        notes=notes,
    )
    return await desk.change(Event, event, values, fields)


@tool(title="Create a case", annotations=WRITES, tags={"voice"}, timeout=15.0)
async def create_case(
    subject: Name,
    status: Text | None = None,
    priority: Text | None = None,
    contact: Id | None = None,
    account: Id | None = None,
    notes: Notes | None = None,
    fields: Own | None = None,
    desk: Desk = DESK,
) -> Case:
    """Open a case: a complaint or a question. contact, account: ids."""
    values = words(
        subject=subject,
        status=status,
        priority=priority,
        contact=contact,
        account=account,
        notes=notes,
    )
    return await desk.create(Case, values, fields)


@tool(title="Show a case", annotations=READS, timeout=8.0)
async def get_case(
    case: Id, fields: Names = (), detail: Detail = "brief", desk: Desk = DESK
) -> Case:
    """Show one case. case: its id from search."""
    return await desk.show(Case, case, fields, detail)


@tool(title="Change a case", annotations=CHANGES, timeout=15.0)
async def update_case(
    case: Id,
    subject: Text | None = None,
    status: Text | None = None,
    priority: Text | None = None,
    contact: Id | None = None,
    account: Id | None = None,
    notes: Notes | None = None,
    fields: Own | None = None,
    desk: Desk = DESK,
) -> Case:
    """Change a case: give only what is new. status: new, open or closed."""
    values = words(
        subject=subject,
        status=status,
        priority=priority,
        contact=contact,
        account=account,
        notes=notes,
    )
    return await desk.change(Case, case, values, fields)
