"""Jira's issues, which are our tickets."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tickets.provider import (
    BatchOutcome,
    Refusal,
    Ticket,
    TicketChange,
    TicketDraft,
    TicketPage,
    TicketQuery,
)
from tickets.providers.jira import payloads, responses
from tickets.providers.jira.client import CONCURRENCY, JiraClient
from tickets.providers.jira.mapping import (
    CATEGORIES,
    CATEGORY_NAMES,
    TICKET_FIELDS,
    find_transition,
    to_ticket,
)
from tickets.providers.jira.marks import MARK, mark_properties, marked_part
from tickets.providers.jira.people import JiraPeople, is_account_id
from tickets.providers.jira.refusals import FieldsRefused, IssuesRefused
from tickets.providers.jira.search import contains, equals, jql_query
from tickets.providers.jira.settings import JiraSettings
from toolkit.errors import Conflict, NotFound, OutcomeUnknown, Rejected, ToolFailure
from toolkit.http.concurrency import map_concurrently
from toolkit.http.polling import poll_until

NO_MERGE = "Jira links issues to each other, but does not merge them."
NO_SUCH_TICKET = "There is no such ticket."
_BULK_CREATE = 50  # issues that Jira creates in one request
_RECENT = 100  # issues that a lost create is looked for among
_TASK_BUDGET = 8.0  # seconds to wait for a bulk operation
_RELATION_FIELDS = {"requested": "reporter", "assigned": "assignee", "copied": "watcher"}


class JiraIssues:
    """The issues that an account can read."""

    def __init__(self, client: JiraClient, people: JiraPeople, settings: JiraSettings) -> None:
        self._client = client
        self._people = people
        self._settings = settings

    async def get(self, ids: Sequence[str]) -> list[Ticket]:
        """Return the tickets that exist, in the order of `ids`."""
        ids_of: dict[str, list[str]] = {}
        found: dict[str, responses.Issue] = {}
        issues = await self._fetch(ids)
        for id in ids:
            if issue := issues.get(self._settings.issue_key(id) or ""):
                found[issue.key] = issue
                ids_of.setdefault(issue.key, []).append(id)
        return [to_ticket(each, self._settings, ids_of[key]) for key, each in found.items()]

    async def search(self, query: TicketQuery) -> TicketPage:
        """Return tickets of the project, or of the last year if the settings name no project."""
        clauses = self._clauses(query)
        if clauses is None:
            return TicketPage(tickets=())
        page = await self._client.search(jql_query(*clauses), TICKET_FIELDS, query.limit)
        return TicketPage(
            tickets=tuple(to_ticket(issue, self._settings) for issue in page.issues),
            more=page.nextPageToken is not None,
        )

    async def create(self, drafts: Sequence[TicketDraft]) -> BatchOutcome:
        """Create issues. The caller becomes the reporter of a single one if they have an account.

        Naming a reporter takes a permission and a field that our account may not have: if Jira
        refuses a caller who is found by their e-mail address, the reporter is our account.
        """
        if len(drafts) > 1:
            return await self._create_many(drafts)
        (draft,) = drafts
        if draft.requester or not draft.requester_email or not self._settings.project:
            return await self._create_one(draft, draft.requester)
        caller = await self._people.find_by_email(draft.requester_email)
        if caller is not None:
            try:
                return await self._create_one(draft, caller.id)
            except FieldsRefused as refusal:
                if "reporter" not in refusal.fields:
                    raise
        return await self._create_one(draft, None)

    async def find_lost_create(self, drafts: Sequence[TicketDraft]) -> BatchOutcome | None:
        """Return the issues of the last day that have this call's mark, if this is a retry.

        JQL finds properties only for apps that have declared them, so that our newest issues are
        read.
        """
        if not self._client.call.is_retry:
            return None
        ours = (self._settings.scope(), "creator = currentUser()", "created >= -1d")
        jql = jql_query(*ours, order="created")
        page = await self._client.search(jql, ("created",), _RECENT, MARK)
        created: dict[int, str] = {}
        for issue in page.issues:
            part = marked_part(issue.properties.get(MARK), self._client.call.idempotency_key)
            if part is not None:
                created[part] = issue.key
        if created:
            missing = [n for n in range(len(drafts)) if n not in created]
            return BatchOutcome(
                done=tuple(created[n] for n in sorted(created)),
                refused=tuple(_refusal(n, "It was not opened.") for n in missing),
            )
        if page.nextPageToken is not None:
            raise OutcomeUnknown("Too much has been created since to find what was.")
        return None

    async def update(self, changes: Sequence[TicketChange]) -> BatchOutcome:
        """Change issues one by one: Jira's bulk edit knows priorities and types by number only."""
        with_status = any(each.status is not None for each in changes)
        if len(changes) == 1 and not with_status:
            return BatchOutcome(done=(await self._edit_one(changes[0]),))
        ids = [each.id for each in changes]
        issues = await self._fetch(ids, ("status",), transitions=with_status)
        if len(changes) == 1:
            return BatchOutcome(done=(await self._update_one(changes[0], issues),))
        outcomes = await map_concurrently(
            lambda change: self._update_or_refuse(change, issues),
            changes,
            limit=CONCURRENCY,
            first_alone=True,
        )
        return BatchOutcome(
            done=tuple(each for each in outcomes if isinstance(each, str)),
            refused=tuple(each for each in outcomes if isinstance(each, Refusal)),
        )

    async def delete(self, ids: Sequence[str]) -> BatchOutcome:
        """Delete issues: a single one directly, many in a bulk operation."""
        if len(ids) > 1:
            return await self._delete_many(ids)

        async def delete(key: str) -> str:
            await self._client.request("DELETE", ("issue", key), responses.Nothing)
            return key

        key = require_key(self._settings, ids[0])
        return BatchOutcome(done=(await self._client.at_current_key(key, delete),))

    async def merge(self, into: str, ids: Sequence[str], comment: str | None) -> BatchOutcome:
        """Refuse: Jira cannot do this.

        Raises:
            Rejected: always.
        """
        raise Rejected(NO_MERGE)

    def _clauses(self, query: TicketQuery) -> list[str] | None:
        """Return the clauses of a query; None if no issue can fulfil it."""
        clauses = [self._settings.scope()]
        if query.text is not None:
            words = contains(query.text)
            if words is None:
                return None
            clauses.append(words)
        if query.status is not None:
            clauses.append(_status_clause(query.status))
        if query.type is not None:
            clauses.append(equals("issuetype", self._settings.issue_type_of(query.type)))
        if query.related_to is not None and query.relation is not None:
            field = _RELATION_FIELDS.get(query.relation)
            if field is None or not is_account_id(query.related_to):
                return None
            clauses.append(equals(field, query.related_to))
        return clauses

    async def _fetch(
        self,
        ids: Iterable[str],
        fields: Sequence[str] = TICKET_FIELDS,
        *,
        transitions: bool = False,
    ) -> Mapping[str, responses.Issue]:
        """Return the issues that exist, by the key of the id, in the order of `ids`.

        One that has moved has another key. All are read in one request, and those that have moved
        once more: Jira does not say which is which.
        """
        keys = [*dict.fromkeys(key for id in ids if (key := self._settings.issue_key(id)))]
        expand = ["transitions"] if transitions else []
        if not keys:
            return {}
        if len(keys) == 1:
            query = {"fields": fields, "expand": expand}
            try:
                issue = await self._client.request(
                    "GET", ("issue", keys[0]), responses.Issue, query=query
                )
            except NotFound:
                return {}
            return {keys[0]: issue}
        body = {"issueIdsOrKeys": keys, "fields": [*fields], "expand": expand}
        page = await self._client.request(
            "POST", ("issue", "bulkfetch"), responses.IssuePage, body=body
        )
        by_key = {issue.key: issue for issue in page.issues}
        missing = [key for key in keys if key not in by_key]
        if missing and by_key.keys() - {*keys}:
            moved = await map_concurrently(
                lambda key: self._fetch([key], fields, transitions=transitions),
                missing,
                limit=CONCURRENCY,
            )
            by_key |= {key: issue for each in moved for key, issue in each.items()}
        return {key: by_key[key] for key in keys if key in by_key}

    async def _create_one(self, draft: TicketDraft, reporter: str | None) -> BatchOutcome:
        body = self._new_issue(draft, reporter)
        created = await self._client.request("POST", ("issue",), responses.CreatedIssue, body=body)
        return BatchOutcome(done=(created.key,))

    async def _create_many(self, drafts: Sequence[TicketDraft]) -> BatchOutcome:
        """Create issues in bulk requests, whose refusals of some do not affect the others."""
        done, refused = list[str](), list[Refusal]()
        for start in range(0, len(drafts), _BULK_CREATE):
            chunk = drafts[start : start + _BULK_CREATE]
            issues = [
                self._new_issue(draft, draft.requester, start + n) for n, draft in enumerate(chunk)
            ]
            try:
                created = await self._client.request(
                    "POST",
                    ("issue", "bulk"),
                    responses.CreatedIssues,
                    body={"issueUpdates": issues},
                )
            except IssuesRefused:
                refused += [_refusal(start + n, "Jira did not take it.") for n in range(len(chunk))]
                continue
            except ToolFailure as failure:
                # Issues of the requests before must be reported, unless a retry will find them.
                if not done or isinstance(failure, OutcomeUnknown):
                    raise
                refused += [_refusal(start + n, failure.happened) for n in range(len(chunk))]
                continue
            done += [issue.key for issue in created.issues]
            refused += [
                _refusal(start + error.failedElementNumber, "Jira did not take it.")
                for error in created.errors
            ]
        return BatchOutcome(done=tuple(done), refused=tuple(refused))

    def _new_issue(self, draft: TicketDraft, reporter: str | None, part: int = 0) -> dict[str, Any]:
        if self._settings.project is None:
            raise Rejected("The settings of the Jira account name no project for new tickets.")
        fields = payloads.new_issue(draft, self._settings.project, self._settings, reporter)
        key = self._client.call.idempotency_key
        return {"fields": fields, "properties": mark_properties(key, part)}

    async def _update_or_refuse(
        self, change: TicketChange, issues: Mapping[str, responses.Issue]
    ) -> str | Refusal:
        try:
            return await self._update_one(change, issues)
        except (NotFound, Rejected, Conflict) as failure:
            return Refusal(record=change.id, reason=failure.happened)

    async def _update_one(self, change: TicketChange, issues: Mapping[str, responses.Issue]) -> str:
        """Change one of the issues and return its key."""
        issue, transition = issues.get(require_key(self._settings, change.id)), None
        if issue is None:
            raise NotFound(NO_SUCH_TICKET)
        if change.status is not None:
            # Before the edit, which must not happen if the workflow does not allow the status.
            transition = find_transition(issue, change.status)
        await self._edit(issue.key, change)
        if transition is not None:
            path, body = ("issue", issue.key, "transitions"), {"transition": {"id": transition}}
            await self._client.request("POST", path, responses.Nothing, body=body)
        return issue.key

    async def _edit_one(self, change: TicketChange) -> str:
        """Change one issue that has not been read, without its status, and return its key."""
        key = require_key(self._settings, change.id)
        return await self._client.at_current_key(key, lambda current: self._edit(current, change))

    async def _edit(self, key: str, change: TicketChange) -> str:
        if edit := payloads.issue_edit(change, self._settings):
            await self._client.request("PUT", ("issue", key), responses.Nothing, body=edit)
        return key

    async def _delete_many(self, ids: Sequence[str]) -> BatchOutcome:
        """Delete issues in a bulk operation, whose progress names them by their internal ids."""
        found = await self._fetch(ids, ("status",))
        missing = [id for id in ids if self._settings.issue_key(id) not in found]
        refused = [Refusal(record=id, reason=NO_SUCH_TICKET) for id in missing]
        issues = {issue.key: issue for issue in found.values()}
        if not issues:
            return BatchOutcome(refused=tuple(refused))
        body = {"selectedIssueIdsOrKeys": [*issues], "sendBulkNotification": False}
        task = await self._client.request(
            "POST", ("bulk", "issues", "delete"), responses.Task, body=body
        )
        path = ("bulk", "queue", task.taskId)
        progress = await poll_until(
            lambda: self._client.request("GET", path, responses.TaskProgress),
            lambda state: state.is_finished,
            budget=_TASK_BUDGET,
            first_pause=self._client.call.runtime.first_poll_pause,
        )
        if progress is None:
            return BatchOutcome(refused=tuple(refused), job=task.taskId)
        remaining = [key for key, issue in issues.items() if not progress.is_done(issue.id)]
        refused += [Refusal(record=key, reason="Jira did not delete it.") for key in remaining]
        done = tuple(key for key in issues if key not in remaining)
        return BatchOutcome(done=done, refused=tuple(refused))


def require_key(settings: JiraSettings, ticket_id: str) -> str:
    """Return the key of an issue.

    Raises:
        NotFound: the id has another form.
    """
    key = settings.issue_key(ticket_id)
    if key is None:
        raise NotFound(NO_SUCH_TICKET)
    return key


def _status_clause(status: str) -> str:
    category = CATEGORIES.get(status)
    if category is None:
        return equals("status", status)
    return equals("statusCategory", CATEGORY_NAMES[category])


def _refusal(index: int, reason: str) -> Refusal:
    return Refusal(record=str(index + 1), reason=reason)
