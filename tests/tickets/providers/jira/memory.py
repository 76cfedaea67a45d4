"""The records of the fake Jira, and what Jira refuses."""

import itertools
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.tickets.providers.jira import jql as reader

PROJECT = "SUP"
OWN_ACCOUNT = "5f0-us"
PRIORITIES = {"low": "Low", "normal": "Medium", "high": "High", "urgent": "Highest"}
ISSUE_TYPES = ("Task", "Problem")
Body = dict[str, Any]


def status(name: str, category: str) -> Body:
    """Return a status."""
    return {"name": name, "statusCategory": {"key": category}}


# By the transition that leads there, from wherever.
STATUSES: dict[str, Body] = {
    "11": status("To Do", "new"),
    "21": status("In Progress", "indeterminate"),
    "31": status("Won't do", "done"),
    "41": status("Done", "done"),
    "51": status("Waiting for parts", "indeterminate"),
}
_CATEGORIES = {"To Do": "new", "In Progress": "indeterminate", "Done": "done"}


class RefusedError(Exception):
    """A field is wrong."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


class MissingError(Exception):
    """There is no such record."""


class JiraMemory:
    """The records of one site with one project."""

    def __init__(self) -> None:
        self.issues: dict[str, Body] = {}
        self.accounts: dict[str, Body] = {}
        self.stuck: set[str] = set()  # issues that a bulk operation cannot delete
        self.blind_tasks = False  # a task that has ended lists nothing
        self.reporters_forbidden = False
        self.moved: dict[str, str] = {}  # former keys
        self._tasks: dict[str, tuple[list[str], list[str]]] = {}
        self._numbers = itertools.count(1)
        self._ids = itertools.count(10_000)
        self._clock = datetime.now(UTC) - timedelta(minutes=5)
        self.add_account(OWN_ACCOUNT, "Antiphon", "bot@acme.example", "atlassian")
        self.add_account("5f0-app", "Automation for Jira", "", "app")

    def add_account(self, account_id: str, name: str, email: str, kind: str) -> Body:
        """Add an account."""
        self.accounts[account_id] = {
            "accountId": account_id,
            "accountType": kind,
            "displayName": name,
            "emailAddress": email,
            "active": True,
        }
        return self.accounts[account_id]

    def get_account(self, account_id: str) -> Body:
        """Return an account."""
        if account_id not in self.accounts:
            raise MissingError
        return self.accounts[account_id]

    def search_accounts(self, beginning: str) -> list[Body]:
        """Return the accounts with a name or an address that begins so."""
        prefix = beginning.casefold()

        def begins(account: Body) -> bool:
            whole, address = account["displayName"], account["emailAddress"]
            names = (whole, *whole.split(), address)
            return any(each.casefold().startswith(prefix) for each in names)

        return [each for each in self.accounts.values() if begins(each)]

    def find_issue(self, key: str) -> Body | None:
        """Return an issue by its key."""
        assert re.fullmatch(r"[A-Z][A-Z0-9_]*-[1-9][0-9]*", key), key
        return next((each for each in self.issues.values() if each["key"] == key), None)

    def move(self, key: str, project: str) -> str:
        """Move an issue to another project, and return the key that it has there."""
        issue = self.get_issue(key)
        issue["key"] = f"{project}-{next(self._numbers)}"
        self.moved[key] = issue["key"]
        return str(issue["key"])

    def look_up(self, key: str) -> Body | None:
        """Return an issue by its key, or by one that it had before it moved.

        So do GET /issue/{issueIdOrKey} and POST /issue/bulkfetch: openapi-v3.json. That no other
        request does is our own reading: it says so of these two alone.
        """
        return self.find_issue(self.moved.get(key, key))

    def get_issue(self, key: str) -> Body:
        """Return an issue by its key, which must exist."""
        found = self.find_issue(key)
        if found is None:
            raise MissingError
        return found

    def create(self, fields: Body, properties: list[Body] | None = None) -> Body:
        """Add an issue."""
        values: Body = {
            "reporter": {"id": OWN_ACCOUNT},
            "priority": {"name": "Medium"},
            "labels": [],
        }
        values.update(fields)
        if values.pop("project") != {"key": PROJECT}:
            raise RefusedError("project")
        if self.reporters_forbidden and "reporter" in fields:
            raise RefusedError("reporter")
        now = self._now()
        issue: Body = {
            "id": str(next(self._ids)),
            "key": f"{PROJECT}-{next(self._numbers)}",
            "fields": {"status": STATUSES["11"], "created": now, "updated": now},
            "properties": {each["key"]: each["value"] for each in properties or []},
            "creator": OWN_ACCOUNT,
            **{"watchers": set[str](), "comments": list[Body](), "worklogs": list[Body]()},
        }
        self.edit(issue, values, {})
        self.issues[issue["id"]] = issue
        return issue

    def edit(self, issue: Body, fields: Body, update: Body) -> None:
        """Change an issue, or nothing of it."""
        changed: Body = {}
        for name, value in fields.items():
            match name:
                case "summary":
                    is_valid = (
                        isinstance(value, str) and 0 < len(value) <= 255 and "\n" not in value
                    )
                case "description":
                    is_valid = to_text(value) is not None
                case "priority":
                    is_valid = value in [{"name": each} for each in PRIORITIES.values()]
                case "issuetype":
                    is_valid = value in [{"name": each} for each in ISSUE_TYPES]
                case "duedate":  # a date: a system field of issues
                    is_valid = value is None or bool(re.fullmatch(r"\d{4}-\d\d-\d\d", value))
                case "reporter" | "assignee":
                    is_valid = value.keys() == {"id"} and value["id"] in self.accounts
                    value = self.accounts.get(value["id"])
                case "labels":
                    is_valid = all(re.fullmatch(r"\S+", each) for each in value)
                case _:
                    is_valid = name.startswith("customfield_")
            if not is_valid:
                raise RefusedError(name)
            changed[name] = value
        labels = [*issue["fields"].get("labels", [])]
        for operation in update.get("labels", []):
            ((verb, label),) = operation.items()
            if not re.fullmatch(r"\S+", label):
                raise RefusedError("labels")
            labels = [each for each in labels if each != label] + [label] * (verb == "add")
        assert update.keys() <= {"labels"}
        issue["fields"].update({"labels": labels, **changed, "updated": self._now()})

    def apply_transition(self, issue: Body, transition: str) -> None:
        """Apply a transition of the workflow."""
        if transition not in [each["id"] for each in transitions_from(issue)]:
            raise RefusedError("transition")
        issue["fields"].update({"status": STATUSES[transition], "updated": self._now()})

    def add_comment(self, issue: Body, body: Body, author: str) -> Body:
        """Add a comment."""
        if not to_text(body["body"]):
            raise RefusedError("comment")
        internal = {"key": "sd.public.comment", "value": {"internal": True}}
        added = {
            "id": str(next(self._ids)),
            "author": self.accounts[author],
            "body": body["body"],
            "created": self._now(),
            "properties": body.get("properties", []),
            "jsdPublic": internal not in body.get("properties", []),
        }
        issue["comments"].append(added)
        return added

    def add_worklog(self, issue: Body, body: Body) -> Body:
        """Add a worklog."""
        form = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d{4}"
        started = re.fullmatch(form, body["started"])
        if not started or body["timeSpentSeconds"] < 60 or not to_text(body["comment"]):
            raise RefusedError("worklog")
        added: Body = {"id": str(next(self._ids)), **body}
        issue["worklogs"].append(added)
        return added

    def delete_many(self, keys: list[str]) -> Body:
        """Start to delete issues."""
        task = str(next(self._ids))
        self._tasks[task] = ([self.get_issue(key)["id"] for key in keys], ["ENQUEUED", "RUNNING"])
        return {"taskId": task}

    def progress(self, task: str, *, slow: bool) -> Body:
        """Return a task's progress, a little further each time."""
        ids, states = self._tasks[task]
        if states or slow:
            return {"taskId": task, "status": states.pop(0) if states else "RUNNING"}
        done = [each for each in ids if each not in self.stuck]
        for each in done:
            self.issues.pop(each, None)
        return {
            "taskId": task,
            "status": "COMPLETE",
            "processedAccessibleIssues": [] if self.blind_tasks else [*map(int, done)],
            "failedAccessibleIssues": {each: ["No."] for each in ids if each in self.stuck},
            "totalIssueCount": len(ids),
        }

    def search(self, jql: str) -> list[Body]:
        """Return the issues that a query finds."""
        wanted = reader.query(jql)
        assert any(each.field in ("project", "updated") for each in wanted.clauses), jql
        tests = [_test(each) for each in wanted.clauses]
        found = [each for each in self.issues.values() if all(test(each) for test in tests)]
        field, direction = wanted.order
        found.sort(key=lambda issue: issue["fields"][field], reverse=direction == "DESC")
        return found

    def _now(self) -> str:
        self._clock += timedelta(milliseconds=1)
        return self._clock.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"


def _test(clause: reader.Clause) -> Callable[[Body], bool]:
    """Return the condition of a clause on an issue."""
    kind, value = clause.value.kind, clause.value.text

    def account(issue: Body, part: str) -> Any:
        whole: Body = issue["fields"].get(part) or {}
        return whole.get("accountId")

    def texts(issue: Body) -> str:
        fields = issue["fields"]
        comments = [to_text(each["body"]) for each in issue["comments"]]
        return " ".join(
            [fields["summary"], to_text(fields["description"]) or "", *map(str, comments)]
        )

    match clause.field, clause.operator, kind:
        case "project", "=", "literal":
            return lambda issue: issue["key"].startswith(f"{value}-")
        case "text", "~", "literal":
            found = reader.terms(value)
            assert found
            return lambda issue: reader.matches(texts(issue), found)
        case "statusCategory", "=", "literal":
            key = _CATEGORIES[value]
            return lambda issue: issue["fields"]["status"]["statusCategory"]["key"] == key
        case "status", "=", "literal":
            return lambda issue: issue["fields"]["status"]["name"] == value
        case "issuetype", "=", "literal":
            return lambda issue: issue["fields"]["issuetype"]["name"] == value
        case "reporter" | "assignee" as part, "=", "literal":
            return lambda issue: account(issue, part) == value
        case "watcher", "=", "literal":
            return lambda issue: value in issue["watchers"]
        case "creator", "=", "word" if value == "currentUser()":
            return lambda issue: issue["creator"] == OWN_ACCOUNT
        case "created" | "updated", ">=", "word" if value in ("-1d", "-365d"):
            return lambda _: True
        case _:
            raise AssertionError(clause)


def transitions_from(issue: Body) -> list[Body]:
    """Return the transitions of an issue: to all others, but none once it is given up."""
    here = issue["fields"]["status"]
    if here["name"] == "Won't do":
        return []
    return [{"id": id_, "to": to} for id_, to in STATUSES.items() if to != here]


def to_adf(text: str) -> Body:
    """Return a text as a document."""
    paragraph = {"type": "paragraph", "content": [{"type": "text", "text": text}]}
    return {"type": "doc", "version": 1, "content": [paragraph]}


def to_text(document: Any) -> str | None:
    """Return the text of a document of paragraphs; None where Jira would not take it."""
    match document:
        case {"type": "doc", "version": 1, "content": [*paragraphs], **rest} if not rest:
            pass
        case _:
            return None
    lines: list[str] = []
    for paragraph in paragraphs:
        if paragraph["type"] != "paragraph":
            return None
        line = ""
        for node in paragraph["content"]:
            match node:
                case {"type": "text", "text": str(text)} if text and "\n" not in text:
                    line += text
                case {"type": "hardBreak"}:
                    line += "\n"
                case _:
                    return None
        lines.append(line)
    return "\n\n".join(lines)
