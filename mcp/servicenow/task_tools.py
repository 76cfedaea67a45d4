"""The tools for tasks and for whom they are assigned to, as the model sees them."""

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
    opened,
    sentence,
    titled,
)
from servicenow.provider import Change, Draft, Level, State, Wanted
from servicenow.results import (
    SHORT,
    Detail,
    GroupList,
    RecordAnswer,
    RecordList,
    listed_group,
    rows,
    shown,
)
from toolkit.effects import CHANGES, READS, WRITES
from toolkit.middleware.confirmation import confirm
from toolkit.speech import phrases
from toolkit.speech.text import cut

_NAME = 60  # bytes


@tool(title="Create a task", annotations=WRITES, timeout=WRITING)
async def create_task(
    summary: Summary,
    details: Words | None = None,
    about: Name | None = None,
    due: Name | None = None,
    assignee: Name | None = None,
    group: Name | None = None,
    priority: Level | None = None,
    desk: Desk = DESK,
) -> RecordAnswer:
    """Create a task. about: the number of its incident or case. due: in the caller's own words."""
    if before := await desk.service.find_lost_create("task"):
        return opened(before)
    who = await desk.person(assignee) if assignee else None
    team = await desk.group(group) if group else None
    draft = Draft(
        kind="task",
        summary=summary,
        details=details,
        about=await desk.anything(about) if about else None,
        due_at=desk.due(due) if due else None,
        assignee=who.id if who else None,
        group=team.id if team else None,
        priority=priority,
    )
    confirm(asked(draft, who, team))
    return opened(await desk.service.create(draft))


@tool(title="Find tasks", annotations=READS, timeout=READING)
async def get_tasks(
    task: Name | None = None,
    assignee: Name | None = None,
    group: Name | None = None,
    about: Name | None = None,
    state: State | None = None,
    detail: Detail = "short",
    desk: Desk = DESK,
) -> RecordList:
    """Find tasks, or one by its number. about: the number of their incident or case."""
    if task:
        found = await desk.record("task", task)
        return RecordList(say=desk.tell(found, detail).say, records=[shown(found, detail)])
    wanted = Wanted(
        kind="task",
        state=state,
        assignee=(await desk.person(assignee)).id if assignee else None,
        group=(await desk.group(group)).id if group else None,
        about=await desk.anything(about) if about else None,
    )
    return await desk.list(wanted, detail)


@tool(title="Change a task", annotations=CHANGES, timeout=WRITING)
async def update_task(
    task: Name,
    state: State | None = None,
    note: Words | None = None,
    due: Name | None = None,
    assignee: Name | None = None,
    group: Name | None = None,
    priority: Level | None = None,
    desk: Desk = DESK,
) -> RecordAnswer:
    """Change a task: only what is given. task: its number."""
    found = await desk.record("task", task)
    who = await desk.person(assignee) if assignee else None
    team = await desk.group(group) if group else None
    change = Change(
        state=state,
        note=note,
        due_at=desk.due(due) if due else None,
        assignee=who.id if who else None,
        group=team.id if team else None,
        priority=priority,
    )
    told = desk.to_be(change, assignee=who.name if who else None, group=team.name if team else None)
    confirm(f"{sentence(titled(found))}: {told}. Shall I change it?")
    return done(await desk.service.update(found, change), change)


@tool(title="Find assignment groups", annotations=READS, timeout=READING)
async def get_assignment_groups(
    name: Name | None = None, detail: Detail = "short", desk: Desk = DESK
) -> GroupList:
    """Find the groups that work is assigned to."""
    found = await desk.groups(name) if name else await desk.service.groups()
    several = found[: rows(detail)]
    names = phrases.join_words([cut(group.name, _NAME) for group in found[:SHORT]], "and")
    among = "Among others, there is" if len(found) > SHORT else "There is"
    return GroupList(
        say=f"{among} {names}." if found else "I can't find any such group.",
        groups=[listed_group(group) for group in several],
        more=len(found) > len(several),
    )
