"""ServiceNow's records in our words: tables, states, priorities, and fields with their labels."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict

from servicenow.provider import (
    Change,
    Draft,
    Group,
    Kind,
    Level,
    Party,
    Priority,
    Record,
    State,
    User,
)

CASES = "sn_customerservice_case"
PEOPLE, CONTACTS, GROUPS = "sys_user", "customer_contact", "sys_user_group"
TABLES: Mapping[Kind, str] = {"incident": "incident", "case": CASES, "task": "task"}
# Where a record says whom it is for; of a task nobody does.
CALLERS: Mapping[Kind, str] = {"incident": "caller_id", "case": "contact"}
STATES: Mapping[Kind, Mapping[State, str]] = {
    "incident": {"new": "1", "open": "2", "pending": "3", "solved": "6", "closed": "7"},
    "case": {"new": "1", "open": "10", "pending": "18", "solved": "6", "closed": "3"},
    "task": {"new": "1", "open": "2", "pending": "-5", "solved": "3", "closed": "3"},
}
# The classes of task that have the states of `task` itself.
PLAIN_TASKS = frozenset({"task", "sc_task", "incident_task", "sn_customerservice_task"})
_LEVELS: Mapping[Level, str] = {"high": "1", "normal": "2", "low": "3"}
_SET_PRIORITIES: Mapping[Level, str] = {"high": "2", "normal": "3", "low": "4"}
_PRIORITIES: Mapping[str, Priority] = {
    "1": "urgent",
    "2": "high",
    "3": "normal",
    "4": "low",
    "5": "low",  # planning
}
_AWAITING_CALLER = "1"
_WAITING, _SOLVED = "Waiting for an answer.", "Solved."
_MOMENT = "%Y-%m-%d %H:%M:%S"  # in UTC, whatever the time zone of the user

_TASK_FIELDS = (
    *("sys_id", "number", "short_description", "description", "state", "priority"),
    *("assigned_to", "assignment_group", "opened_at", "sys_updated_on", "sys_class_name"),
    "correlation_id",
)
FIELDS: Mapping[Kind, tuple[str, ...]] = {
    "incident": (*_TASK_FIELDS, "caller_id"),
    "case": (*_TASK_FIELDS, "contact", "consumer"),
    "task": (*_TASK_FIELDS, "parent", "due_date"),
}
USER_FIELDS = (
    *("sys_id", "name", "user_name", "email", "phone", "mobile_phone", "home_phone"),
    *("title", "department"),
)
GROUP_FIELDS = ("sys_id", "name", "description")


class _Cell(BaseModel):
    model_config = ConfigDict(frozen=True)

    value: str = ""
    label: str = ""


def _pair(field: object) -> object:
    """Read a field however ServiceNow shows it: bare, with its label, or as a whole record."""
    if isinstance(field, _Cell):
        return field
    if not isinstance(field, dict):
        return {"value": _bare(field), "label": _bare(field)}
    shown = cast("dict[str, Any]", field)
    value = shown.get("value", shown.get("sys_id"))
    label = shown.get("display_value", shown.get("name", value))
    return {"value": _bare(value), "label": _bare(label)}


def _bare(value: object) -> str:
    """Return a value as text; in a record that is shown whole, each value is a field again."""
    if isinstance(value, dict):
        return _bare(cast("dict[str, Any]", value).get("value"))
    return "" if value is None or isinstance(value, list) else str(value)


Cell = Annotated[_Cell, BeforeValidator(_pair)]
_NOTHING = _Cell()


class Named(BaseModel):
    """A record of which only the id and the number are told."""

    sys_id: Cell
    number: Cell = _NOTHING


class Row(Named):
    """A record of `task`, or of a table that extends it."""

    short_description: Cell = _NOTHING
    description: Cell = _NOTHING
    state: Cell = _NOTHING
    priority: Cell = _NOTHING
    caller_id: Cell = _NOTHING
    contact: Cell = _NOTHING
    consumer: Cell = _NOTHING
    assigned_to: Cell = _NOTHING
    assignment_group: Cell = _NOTHING
    parent: Cell = _NOTHING
    opened_at: Cell = _NOTHING
    sys_updated_on: Cell = _NOTHING
    due_date: Cell = _NOTHING
    sys_class_name: Cell = _NOTHING
    correlation_id: Cell = _NOTHING
    comments: Cell = _NOTHING

    def is_task(self) -> bool:
        """Say whether it is neither an incident nor a case."""
        return self.sys_class_name.value not in ("incident", CASES)

    def is_plain_task(self) -> bool:
        """Say whether its states are those of `task` itself."""
        return self.sys_class_name.value in PLAIN_TASKS

    def points_to(self, wanted: Mapping[str, str]) -> bool:
        """Say whether fields, by name, point to these records."""
        return all(getattr(self, field).value == sys_id for field, sys_id in wanted.items())

    def record(self, kind: Kind) -> Record:
        """Return the record in our words."""
        states: dict[str, str] = {}
        if kind != "task" or self.is_plain_task():
            states = {number: word for word, number in STATES[kind].items()}
        contact = self.contact if self.contact.value else self.consumer
        people = {"incident": self.caller_id, "case": contact}
        return Record(
            kind=kind,
            id=self.sys_id.value,
            number=self.number.value,
            summary=self.short_description.value,
            state=states.get(self.state.value, self.state.label.casefold()),
            details=self.description.value or None,
            priority=_PRIORITIES.get(self.priority.value),
            caller=_party(people.get(kind, _NOTHING)),
            assignee=_party(self.assigned_to),
            group=_party(self.assignment_group),
            about=_party(self.parent),
            opened_at=_moment(self.opened_at.value),
            updated_at=_moment(self.sys_updated_on.value),
            due_at=_moment(self.due_date.value),
        )


class UserRow(BaseModel):
    """A record of `sys_user`, or of a table that extends it."""

    sys_id: Cell
    name: Cell = _NOTHING
    user_name: Cell = _NOTHING
    email: Cell = _NOTHING
    phone: Cell = _NOTHING
    mobile_phone: Cell = _NOTHING
    home_phone: Cell = _NOTHING
    title: Cell = _NOTHING
    department: Cell = _NOTHING

    def user(self) -> User:
        """Return the person in our words."""
        phones = (self.phone.value, self.mobile_phone.value, self.home_phone.value)
        return User(
            id=self.sys_id.value,
            name=self.name.value,
            login=self.user_name.value or None,
            email=self.email.value or None,
            phones=tuple(dict.fromkeys(phone for phone in phones if phone)),
            title=self.title.value or None,
            department=self.department.label or None,
        )


class GroupRow(BaseModel):
    """A record of `sys_user_group`."""

    sys_id: Cell
    name: Cell = _NOTHING
    description: Cell = _NOTHING

    def group(self) -> Group:
        """Return the group in our words."""
        description = self.description.value or None
        return Group(id=self.sys_id.value, name=self.name.value, description=description)


def new(draft: Draft, key: str | None) -> dict[str, str]:
    """Return the body of a record that is to be created."""
    body = {
        "short_description": draft.summary,
        "description": draft.details,
        "parent": draft.about,
        "correlation_id": key,
        **_assigned(draft),
    }
    if draft.kind in CALLERS:
        body[CALLERS[draft.kind]] = draft.caller
    return {field: value for field, value in body.items() if value}


def changed(kind: Kind, change: Change, *, code: str | None) -> dict[str, str]:
    """Return the body of a change. `code` is the tenant's word for how a thing was solved.

    An incident is not solved without a code and notes, and does not wait without a reason and a
    comment: https://www.servicenow.com/docs/r/it-service-management/incident-management/resolve-and-close-an-incident.html
    """
    body = {"comments": change.note, **_assigned(change)}
    if change.state is not None:
        body["state"] = STATES[kind][change.state]
    if change.state in ("solved", "closed") and kind != "task":
        body["close_notes"] = change.note or _SOLVED
        body["close_code" if kind == "incident" else "resolution_code"] = code
    if change.state == "pending" and kind == "incident":
        body["hold_reason"] = _AWAITING_CALLER
        body["comments"] = change.note or _WAITING
    return {field: value for field, value in body.items() if value}


def _assigned(given: Draft | Change) -> dict[str, str | None]:
    return {
        "assigned_to": given.assignee,
        "assignment_group": given.group,
        "urgency": _LEVELS[given.urgency] if given.urgency else None,
        "impact": _LEVELS[given.impact] if given.impact else None,
        "priority": _SET_PRIORITIES[given.priority] if given.priority else None,
        "due_date": given.due_at.astimezone(UTC).strftime(_MOMENT) if given.due_at else None,
    }


def _party(cell: _Cell) -> Party | None:
    return Party(id=cell.value, name=cell.label or cell.value) if cell.value else None


def _moment(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, _MOMENT).replace(tzinfo=UTC)
    except ValueError:
        return None
