"""Converts Jira's responses into the provider's models."""

from collections.abc import Mapping, Sequence

from tickets.provider import (
    STATUSES,
    Comment,
    Priority,
    Role,
    Ticket,
    TicketType,
    User,
    Writer,
)
from tickets.providers.jira import responses
from tickets.providers.jira.adf import to_text
from tickets.providers.jira.settings import JiraSettings
from toolkit.errors import Rejected

TICKET_FIELDS = (
    *("summary", "status", "priority", "issuetype", "reporter", "assignee", "labels"),
    *("description", "created", "updated"),
)
# Our statuses are stood for by Jira's categories, since workflows name statuses as they like.
CATEGORIES: Mapping[str, str] = {
    **{"new": "new", "open": "indeterminate", "pending": "indeterminate"},
    **{"solved": "done", "closed": "done"},
}
CATEGORY_NAMES = {"new": "To Do", "indeterminate": "In Progress", "done": "Done"}
# The statuses of Jira's own workflows; any other is the tenant's.
_STATUSES = {
    **{"to do": "new", "backlog": "new", "in progress": "open", "reopened": "open"},
    **{"on hold": "pending", "waiting for customer": "pending"},
    **{"done": "solved", "resolved": "solved"},
}
_PRIORITIES: Mapping[str, Priority] = {
    **{"lowest": "low", "low": "low", "trivial": "low", "minor": "low", "medium": "normal"},
    **{"high": "high", "major": "high"},
    **{"highest": "urgent", "critical": "urgent", "blocker": "urgent"},
}
_TYPES: Mapping[str, TicketType] = {
    **{"question": "question", "incident": "incident", "problem": "problem", "task": "task"}
}
# By the type of the account; it may also be "app" or "unknown".
_ROLES: Mapping[str, Role] = {"atlassian": "agent", "customer": "customer"}
# Before the names of the issue types that Jira Service Management comes with.
_SYSTEM_PREFIX = "[system] "


def to_ticket(issue: responses.Issue, settings: JiraSettings, ids: Sequence[str] = ()) -> Ticket:
    """Return an issue as a ticket, with its key as the id; `ids` are those it was read by."""
    fields = issue.fields
    priority, type_ = fields.priority, fields.issuetype
    return Ticket(
        id=issue.key,
        other_ids=tuple(id for id in ids if id != issue.key),
        subject=fields.summary or "",
        status=to_status(fields.status),
        priority=_PRIORITIES.get(priority.name.casefold()) if priority else None,
        type=_to_type(type_.name, settings) if type_ else None,
        requester=fields.reporter.accountId if fields.reporter else None,
        assignee=fields.assignee.accountId if fields.assignee else None,
        tags=fields.labels,
        text=to_text(fields.description) or None,
        created_at=fields.created,
        updated_at=fields.updated,
    )


def to_status(status: responses.Status) -> str:
    """Return one of our statuses, or the tenant's own as it is."""
    name = status.name.casefold()
    return name if name in STATUSES else _STATUSES.get(name, status.name)


def to_comment(comment: responses.Comment, own_id: str) -> Comment:
    """Return a comment; `own_id` is the id of our own account."""
    author = comment.author
    return Comment(
        id=comment.id,
        text=to_text(comment.body),
        by=_writer(author, own_id),
        author=(author.displayName or None) if author else None,
        public=comment.is_public,
        created_at=comment.created,
    )


def to_user(account: responses.Account) -> User:
    """Return an account as a user."""
    return User(
        id=account.accountId,
        name=account.displayName,
        email=account.emailAddress or None,
        role=_ROLES.get(account.accountType or ""),
        gone=not account.active,
    )


def find_transition(issue: responses.Issue, status: str) -> str | None:
    """Return the id of the transition that leads to a status; None if the issue has it.

    A transition to a status of that name is preferred to one to a status of the same category.

    Raises:
        Rejected: the workflow has no such transition from the issue's status.
    """
    current, category = issue.fields.status, CATEGORIES.get(status.casefold())
    transitions = [each for each in issue.transitions if each.isAvailable]
    by_name = [each for each in transitions if _is_status(each.to, status)]
    if _is_status(current, status):
        return None
    if not by_name and category and current.statusCategory.key == category:
        return None
    by_category = [
        each for each in transitions if category and each.to.statusCategory.key == category
    ]
    # "Done" before "Won't do".
    by_category.sort(key=lambda each: to_status(each.to) not in STATUSES)
    for transition in (*by_name, *by_category):
        return transition.id
    raise Rejected("The workflow of that ticket does not lead to that status.")


def _writer(author: responses.Account | None, own_id: str) -> Writer:
    if author is None:
        return "unknown"
    if author.accountId == own_id:
        return "us"
    if author.accountType == "app":
        return "system"
    return _ROLES.get(author.accountType or "") or "unknown"


def _is_status(status: responses.Status, name: str) -> bool:
    """Return whether a status has the name, in Jira's words or in ours."""
    return name.casefold() in (status.name.casefold(), to_status(status))


def _to_type(name: str, settings: JiraSettings) -> TicketType | None:
    if name.casefold() == settings.problem_type.casefold():
        return "problem"
    return _TYPES.get(name.casefold().removeprefix(_SYSTEM_PREFIX))
