"""ServiceNow's tables, fields and values, and their translation into the server's models."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict

from servicenow.provider import (
    Group,
    Kind,
    Level,
    NewRecord,
    Priority,
    Record,
    RecordChange,
    RecordReference,
    State,
    User,
)
from toolkit.http.records import RecordList

CASES = "sn_customerservice_case"
PEOPLE, CONTACTS, GROUPS = "sys_user", "customer_contact", "sys_user_group"
TABLES: Mapping[Kind, str] = {"incident": "incident", "case": CASES, "task": "task"}
# The field that refers to the person a record is for; a task has none.
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
_INACTIVE = "false"
_WAITING_NOTE, _SOLVED_NOTE = "Waiting for an answer.", "Solved."
_TIME_FORMAT = "%Y-%m-%d %H:%M:%S"  # in UTC, whatever the time zone of the user

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
    *("title", "department", "active"),
)
GROUP_FIELDS = ("sys_id", "name", "description", "active")


class _Cell(BaseModel):
    model_config = ConfigDict(frozen=True)

    value: str = ""
    label: str = ""


def _to_cell(field: object) -> object:
    """Return the value and label of a field: it may be bare, labelled, or a whole record."""
    if isinstance(field, _Cell):
        return field
    if not isinstance(field, dict):
        return {"value": _to_text(field), "label": _to_text(field)}
    labelled = cast("dict[str, Any]", field)
    value = labelled.get("value", labelled.get("sys_id"))
    label = labelled.get("display_value", labelled.get("name", value))
    return {"value": _to_text(value), "label": _to_text(label)}


def _to_text(value: object) -> str:
    """Return a value as text; within a whole record, each value is a field again."""
    if isinstance(value, dict):
        return _to_text(cast("dict[str, Any]", value).get("value"))
    return "" if value is None or isinstance(value, list) else str(value)


Cell = Annotated[_Cell, BeforeValidator(_to_cell)]
_EMPTY = _Cell()


class RowId(BaseModel):
    """The id and the number of a record."""

    sys_id: Cell
    number: Cell = _EMPTY


class TaskRow(RowId):
    """A row of `task`, or of a table that extends it: a field for each column that is read."""

    short_description: Cell = _EMPTY
    description: Cell = _EMPTY
    state: Cell = _EMPTY
    priority: Cell = _EMPTY
    caller_id: Cell = _EMPTY
    contact: Cell = _EMPTY
    consumer: Cell = _EMPTY
    assigned_to: Cell = _EMPTY
    assignment_group: Cell = _EMPTY
    parent: Cell = _EMPTY
    opened_at: Cell = _EMPTY
    sys_updated_on: Cell = _EMPTY
    due_date: Cell = _EMPTY
    sys_class_name: Cell = _EMPTY
    correlation_id: Cell = _EMPTY
    comments: Cell = _EMPTY

    def is_task(self) -> bool:
        """Say whether the row is neither an incident nor a case."""
        return self.sys_class_name.value not in ("incident", CASES)

    def is_plain_task(self) -> bool:
        """Say whether the row has the states of `task` itself."""
        return self.sys_class_name.value in PLAIN_TASKS

    def has_references(self, references: Mapping[str, str]) -> bool:
        """Say whether these fields refer to the records with these ids."""
        return all(getattr(self, field).value == sys_id for field, sys_id in references.items())

    def to_record(self, kind: Kind) -> Record:
        """Return the row as a record of this kind."""
        states: dict[str, str] = {}
        if kind != "task" or self.is_plain_task():
            states = {number: word for word, number in STATES[kind].items()}
        contact = self.contact if self.contact.value else self.consumer
        callers = {"incident": self.caller_id, "case": contact}
        return Record(
            kind=kind,
            id=self.sys_id.value,
            number=self.number.value,
            summary=self.short_description.value,
            state=states.get(self.state.value, self.state.label.casefold()),
            details=self.description.value or None,
            priority=_PRIORITIES.get(self.priority.value),
            caller=_to_reference(callers.get(kind, _EMPTY)),
            assignee=_to_reference(self.assigned_to),
            group=_to_reference(self.assignment_group),
            about=_to_reference(self.parent),
            opened_at=_parse_time(self.opened_at.value),
            updated_at=_parse_time(self.sys_updated_on.value),
            due_at=_parse_time(self.due_date.value),
        )


class UserRow(BaseModel):
    """A row of `sys_user`, or of a table that extends it."""

    sys_id: Cell
    name: Cell = _EMPTY
    user_name: Cell = _EMPTY
    email: Cell = _EMPTY
    phone: Cell = _EMPTY
    mobile_phone: Cell = _EMPTY
    home_phone: Cell = _EMPTY
    title: Cell = _EMPTY
    department: Cell = _EMPTY
    active: Cell = _EMPTY

    def to_user(self) -> User:
        """Return the row as a user."""
        phones = (self.phone.value, self.mobile_phone.value, self.home_phone.value)
        return User(
            id=self.sys_id.value,
            name=self.name.value,
            login=self.user_name.value or None,
            email=self.email.value or None,
            phones=tuple(dict.fromkeys(phone for phone in phones if phone)),
            title=self.title.value or None,
            department=self.department.label or None,
            active=self.active.value != _INACTIVE,
        )


class GroupRow(BaseModel):
    """A row of `sys_user_group`."""

    sys_id: Cell
    name: Cell = _EMPTY
    description: Cell = _EMPTY
    active: Cell = _EMPTY

    def is_active(self) -> bool:
        """Say whether the group is in use, as far as our user may know."""
        return self.active.value != _INACTIVE

    def to_group(self) -> Group:
        """Return the row as a group."""
        description = self.description.value or None
        return Group(id=self.sys_id.value, name=self.name.value, description=description)


TaskRows = RecordList[TaskRow]
UserRows = RecordList[UserRow]
GroupRows = RecordList[GroupRow]


def to_create_payload(new: NewRecord, key: str | None) -> dict[str, str]:
    """Return the body of a request that creates a record."""
    body = {
        "short_description": new.summary,
        "description": new.details,
        "parent": new.about,
        "correlation_id": key,
        **_shared_fields(new),
    }
    if new.kind in CALLERS:
        body[CALLERS[new.kind]] = new.caller
    return {field: value for field, value in body.items() if value}


def to_update_payload(kind: Kind, change: RecordChange, *, code: str | None) -> dict[str, str]:
    """Return the body of a request that changes a record.

    `code` is the tenant's close code of incidents, or resolution code of cases. ServiceNow requires
    a code and notes of a solved incident, and a reason and a comment of a pending one: https://www.servicenow.com/docs/r/it-service-management/incident-management/resolve-and-close-an-incident.html
    """
    body = {"comments": change.note, **_shared_fields(change)}
    if change.state is not None:
        body["state"] = STATES[kind][change.state]
    if change.state in ("solved", "closed") and kind != "task":
        body["close_notes"] = change.note or _SOLVED_NOTE
        body["close_code" if kind == "incident" else "resolution_code"] = code
    if change.state == "pending" and kind == "incident":
        body["hold_reason"] = _AWAITING_CALLER
        body["comments"] = change.note or _WAITING_NOTE
    return {field: value for field, value in body.items() if value}


def _shared_fields(record: NewRecord | RecordChange) -> dict[str, str | None]:
    return {
        "assigned_to": record.assignee,
        "assignment_group": record.group,
        "urgency": _LEVELS[record.urgency] if record.urgency else None,
        "impact": _LEVELS[record.impact] if record.impact else None,
        "priority": _SET_PRIORITIES[record.priority] if record.priority else None,
        "due_date": record.due_at.astimezone(UTC).strftime(_TIME_FORMAT) if record.due_at else None,
    }


def _to_reference(cell: _Cell) -> RecordReference | None:
    return RecordReference(id=cell.value, name=cell.label or cell.value) if cell.value else None


def _parse_time(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, _TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return None
