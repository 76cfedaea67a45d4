"""What Jira is sent."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from tickets.provider import CallLog, Change, Draft, Priority
from tickets.providers.jira.adf import document
from tickets.providers.jira.mapping import MARK
from tickets.providers.jira.settings import Settings
from toolkit.speech.text import shorten

_PRIORITIES: Mapping[Priority, str] = {
    **{"low": "Low", "normal": "Medium", "high": "High", "urgent": "Highest"}
}
_LONGEST = 255  # characters of a summary
_MINUTE = 60  # seconds; a worklog is no shorter


def mark(call: str | None, part: int = 0) -> list[dict[str, Any]]:
    """Return the property by which a call that was lost finds what it has made."""
    return [{"key": MARK, "value": {"call": call, "part": part}}] if call else []


def new_issue(draft: Draft, project: str, settings: Settings, reporter: str | None) -> Any:
    """Return the fields of an issue to be created."""
    named = {
        "priority": {"name": _PRIORITIES[draft.priority]} if draft.priority else None,
        "reporter": {"id": reporter} if reporter else None,
        "assignee": {"id": draft.assignee} if draft.assignee else None,
        "labels": _labels(draft.tags),
    }
    return {
        **draft.fields,
        "project": {"key": project},
        "issuetype": {"name": settings.kind(draft.type)},
        "summary": _summary(draft.subject),
        "description": document(_caller(draft) + draft.text),
        **{name: value for name, value in named.items() if value},
    }


def edit(change: Change, settings: Settings) -> dict[str, Any]:
    """Return the edit that a change asks for; {} for none."""
    fields: dict[str, Any] = {**change.fields}
    if change.subject is not None:
        fields["summary"] = _summary(change.subject)
    if change.priority is not None:
        fields["priority"] = {"name": _PRIORITIES[change.priority]}
    if change.type is not None:
        fields["issuetype"] = {"name": settings.kind(change.type)}
    if change.assignee is not None:
        fields["assignee"] = {"id": change.assignee}
    labels = [{"add": tag} for tag in _labels(change.add_tags)]
    labels += [{"remove": tag} for tag in _labels(change.remove_tags)]
    update = {"update": {"labels": labels}} if labels else {}
    return {**({"fields": fields} if fields else {}), **update}


def worklog(log: CallLog) -> dict[str, Any]:
    """Return the worklog that a call is."""
    length = str(timedelta(seconds=log.seconds))
    said = f"{log.direction.capitalize()} call, {log.phone}, {length}\n\n{log.summary}"
    return {
        "started": stamp(log.started_at),
        "timeSpentSeconds": max(log.seconds, _MINUTE),
        "comment": document(said),
    }


def stamp(moment: datetime) -> str:
    """Return `2021-01-17T12:34:00.000+0000`, the only form in which Jira takes it."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}{moment:%z}"


def _caller(draft: Draft) -> str:
    """Return a line that says who has called: a reporter has to have an account."""
    said = (draft.requester_name, draft.requester_phone, draft.requester_email)
    given = ", ".join(part for part in said if part)
    return f"Caller: {given}\n\n" if given and not draft.requester else ""


def _summary(subject: str) -> str:
    return shorten(" ".join(subject.split()), _LONGEST)


def _labels(tags: Sequence[str]) -> list[str]:
    """Return tags as labels, which have no spaces."""
    return [label for tag in tags if (label := re.sub(r"\s+", "-", tag.strip()))]
