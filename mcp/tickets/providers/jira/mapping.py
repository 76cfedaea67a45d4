"""Converts Jira's responses into the provider's models."""

from collections.abc import Mapping
from typing import Literal

from tickets.provider import STATUSES, Comment, Priority, Role, Ticket, TicketType, User
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
# Before the names of the issue types that Jira Service Management comes with.
_SYSTEM_PREFIX = "[system] "


def to_ticket(issue: responses.Issue, settings: JiraSettings) -> Ticket:
    """Return an issue as a ticket, with its key as the id."""
    fields = issue.fields
    priority, type_ = fields.priority, fields.issuetype
    return Ticket(
        id=issue.key,
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
    by: Literal["us", "agent", "customer"] = to_role(author) if author else "agent"
    return Comment(
        id=comment.id,
        text=to_text(comment.body),
        by="us" if author and author.accountId == own_id else by,
        author=(author.displayName or None) if author else None,
        public=comment.jsdPublic and not comment.visibility,
        created_at=comment.created,
    )


def to_user(account: responses.Account) -> User:
    """Return an account as a user."""
    return User(
        id=account.accountId,
        name=account.displayName,
        email=account.emailAddress or None,
        role=to_role(account),
    )


def to_role(account: responses.Account) -> Role:
    """Return whether an account is a customer's or an agent's."""
    return "customer" if account.accountType in ("customer", "app") else "agent"


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


def _is_status(status: responses.Status, name: str) -> bool:
    """Return whether a status has the name, in Jira's words or in ours."""
    return name.casefold() in (status.name.casefold(), to_status(status))


def _to_type(name: str, settings: JiraSettings) -> TicketType | None:
    if name.casefold() == settings.problem_type.casefold():
        return "problem"
    return _TYPES.get(name.casefold().removeprefix(_SYSTEM_PREFIX))
