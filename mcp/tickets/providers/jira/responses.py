"""Models of Jira's responses, with what is used of them.

https://developer.atlassian.com/cloud/jira/platform/rest/v3/intro/
"""

from collections.abc import Mapping
from typing import Any

from pydantic import AwareDatetime, BaseModel

from toolkit.http.records import RecordList, Records


class Nothing(BaseModel):
    """A response of which nothing is used."""


class Named(BaseModel):
    """A record of which the name is used."""

    name: str = ""


class StatusCategory(BaseModel):
    """The category of a status: `new`, `indeterminate` or `done`."""

    key: str = ""


class Status(Named):
    """A status of a workflow."""

    statusCategory: StatusCategory = StatusCategory()


class Account(BaseModel):
    """An Atlassian account; its privacy settings may hide the e-mail address."""

    accountId: str
    accountType: str | None = None
    displayName: str = ""
    emailAddress: str | None = None
    active: bool = True


class IssueFields(BaseModel):
    """The fields of an issue."""

    summary: str | None = None
    status: Status = Status()
    priority: Named | None = None
    issuetype: Named | None = None
    reporter: Account | None = None
    assignee: Account | None = None
    labels: tuple[str, ...] = ()
    description: Any = None
    created: AwareDatetime | None = None
    updated: AwareDatetime | None = None


class Transition(BaseModel):
    """A step of a workflow to another status."""

    id: str
    to: Status = Status()
    isAvailable: bool = True


class Property(BaseModel):
    """A value that an app has stored with a record."""

    key: str
    value: Any = None


class Issue(BaseModel):
    """An issue; with its transitions and properties if they were requested."""

    id: str
    key: str
    fields: IssueFields = IssueFields()
    transitions: Records[Transition] = []
    properties: Mapping[str, Any] = {}


class IssuePage(BaseModel):
    """Some issues, and the token of the next page."""

    issues: Records[Issue] = []
    nextPageToken: str | None = None


class CreatedIssue(BaseModel):
    """An issue that has been created."""

    key: str


class BulkError(BaseModel):
    """An issue of a bulk request that could not be created, by its index."""

    failedElementNumber: int


class CreatedIssues(BaseModel):
    """The response to a bulk request: the issues in the order of the request, without failures."""

    issues: Records[CreatedIssue] = []
    errors: Records[BulkError] = []


class Comment(BaseModel):
    """A comment on an issue. `body` is a document in ADF."""

    id: str
    author: Account | None = None
    body: Any = None
    created: AwareDatetime | None = None
    jsdPublic: bool | None = None
    visibility: Mapping[str, Any] | None = None
    properties: Records[Property] = []

    @property
    def is_public(self) -> bool | None:
        """Return whether everybody who sees the issue sees it; None if Jira does not say."""
        return False if self.visibility else self.jsdPublic


class CommentPage(BaseModel):
    """Some comments of an issue."""

    comments: RecordList[Comment]
    total: int = 0


class CommentList(BaseModel):
    """Comments by their ids."""

    values: Records[Comment] = []


class Worklog(BaseModel):
    """A worklog of an issue."""

    id: str
    properties: Records[Property] = []


class WorklogPage(BaseModel):
    """Some worklogs of an issue."""

    worklogs: Records[Worklog] = []


class AccountList(BaseModel):
    """Accounts by their ids."""

    values: Records[Account] = []


class Task(BaseModel):
    """A bulk operation that has been started."""

    taskId: str


class TaskProgress(BaseModel):
    """The progress of a bulk operation."""

    status: str
    processedAccessibleIssues: tuple[int, ...] = ()
    failedAccessibleIssues: Mapping[str, Any] = {}

    @property
    def is_finished(self) -> bool:
        """Return whether the operation has ended, well or badly."""
        return self.status in ("COMPLETE", "FAILED", "CANCELLED", "DEAD")

    def is_done(self, issue_id: str) -> bool:
        """Return whether the operation was carried out on an issue.

        The list of processed issues may lack those that were deleted, so that of a complete
        operation only the failures count.
        """
        if self.status == "COMPLETE":
            return issue_id not in self.failedAccessibleIssues
        return issue_id in map(str, self.processedAccessibleIssues)
