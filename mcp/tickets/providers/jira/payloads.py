"""Builds what Jira is sent from the provider's models."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from tickets.dates import to_day
from tickets.provider import CallLog, Fields, Priority, TicketChange, TicketDraft
from tickets.providers.jira.adf import to_adf
from tickets.providers.jira.settings import JiraSettings
from toolkit.speech.text import shorten

_PRIORITIES: Mapping[Priority, str] = {
    **{"low": "Low", "normal": "Medium", "high": "High", "urgent": "Highest"}
}
_MAX_SUMMARY = 255  # characters
_MIN_WORKLOG = 60  # seconds


def new_issue(
    draft: TicketDraft, project: str, settings: JiraSettings, reporter: str | None
) -> dict[str, Any]:
    """Return the fields of an issue to create."""
    optional = {
        "priority": {"name": _PRIORITIES[draft.priority]} if draft.priority else None,
        "reporter": {"id": reporter} if reporter else None,
        "assignee": {"id": draft.assignee} if draft.assignee else None,
        "labels": _to_labels(draft.tags),
    }
    return {
        **_fields(draft.fields),
        "project": {"key": project},
        "issuetype": {"name": settings.issue_type_of(draft.type)},
        "summary": _to_summary(draft.subject),
        "description": to_adf(_caller_line(draft) + draft.text),
        **{name: value for name, value in optional.items() if value},
    }


def issue_edit(change: TicketChange, settings: JiraSettings) -> dict[str, Any]:
    """Return the body that edits an issue, without its status; empty if nothing else changes."""
    fields = _fields(change.fields)
    if change.subject is not None:
        fields["summary"] = _to_summary(change.subject)
    if change.priority is not None:
        fields["priority"] = {"name": _PRIORITIES[change.priority]}
    if change.type is not None:
        fields["issuetype"] = {"name": settings.issue_type_of(change.type)}
    if change.assignee is not None:
        fields["assignee"] = {"id": change.assignee}
    labels = [{"add": label} for label in _to_labels(change.add_tags)]
    labels += [{"remove": label} for label in _to_labels(change.remove_tags)]
    update = {"update": {"labels": labels}} if labels else {}
    return {**({"fields": fields} if fields else {}), **update}


def worklog(log: CallLog) -> dict[str, Any]:
    """Return the body that logs a call as work on an issue."""
    length = str(timedelta(seconds=log.seconds))
    text = f"{log.direction.capitalize()} call, {log.phone}, {length}\n\n{log.summary}"
    return {
        "started": to_timestamp(log.started_at),
        "timeSpentSeconds": max(log.seconds, _MIN_WORKLOG),
        "comment": to_adf(text),
    }


def to_timestamp(moment: datetime) -> str:
    """Return a moment such as `2021-01-17T12:34:00.000+0000`, the only form that Jira takes."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}{moment:%z}"


def _fields(fields: Fields) -> dict[str, Any]:
    due = fields.get("duedate")
    return {**fields, **({} if due is None else {"duedate": to_day("duedate", due)})}


def _caller_line(draft: TicketDraft) -> str:
    """Return a line that names the caller, who cannot be the reporter without an account."""
    contact = (draft.requester_name, draft.requester_phone, draft.requester_email)
    caller = ", ".join(part for part in contact if part)
    return f"Caller: {caller}\n\n" if caller and not draft.requester else ""


def _to_summary(subject: str) -> str:
    return shorten(" ".join(subject.split()), _MAX_SUMMARY)


def _to_labels(tags: Sequence[str]) -> list[str]:
    """Return tags as labels, which cannot have spaces."""
    return [label for tag in tags if (label := re.sub(r"\s+", "-", tag.strip()))]
