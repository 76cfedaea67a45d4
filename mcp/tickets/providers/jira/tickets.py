"""Jira's issues: read, found, created, changed and deleted, one or many of them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tickets.provider import Batch, Change, Draft, Refused
from tickets.providers.jira import mapping as records
from tickets.providers.jira import payloads as bodies
from tickets.providers.jira import search as jql
from tickets.providers.jira.client import AT_ONCE, Wired
from tickets.providers.jira.mapping import Issue, Issues
from tickets.providers.jira.settings import Settings
from toolkit.errors import Conflict, NotFound, OutcomeUnknown, Rejected, ToolFailure
from toolkit.http.concurrency import map_concurrently
from toolkit.http.polling import poll_until
from toolkit.tenancy import ToolCall

_MADE_AT_ONCE = 50  # issues that Jira creates in one request
_NEWEST = 100  # issues among which a lost one is looked for
_JOB = 8.0  # seconds that a caller waits for Jira's own work
_NONE = "There is no such ticket."


class Desk:
    """The issues that an account reaches."""

    def __init__(self, jira: Wired, call: ToolCall, settings: Settings) -> None:
        self._jira = jira
        self._call = call
        self._settings = settings

    async def read(
        self, ids: Iterable[str], fields: Sequence[str] = records.SHOWN, *, moves: bool = False
    ) -> Mapping[str, Issue]:
        """Return the issues that there are, by key, in the order of `ids`; `moves`: with the ways.

        It is one request, however many they are.
        """
        keys = [*dict.fromkeys(key for each in ids if (key := self._settings.key(each)))]
        expand = ["transitions"] if moves else []
        if not keys:
            return {}
        if len(keys) == 1:
            query = {"fields": fields, "expand": expand}
            try:
                found = await self._jira.ask("GET", ("issue", keys[0]), Issue, query=query)
            except NotFound:
                return {}
            return {keys[0]: found}
        body = {"issueIdsOrKeys": keys, "fields": [*fields], "expand": expand}
        answer = await self._jira.ask("POST", ("issue", "bulkfetch"), Issues, body=body)
        by_key = {issue.key: issue for issue in answer.issues}
        return {key: by_key[key] for key in keys if key in by_key}

    async def search(
        self, query: str, fields: Sequence[str], limit: int, properties: str | None = None
    ) -> Issues:
        """Return what a query finds first."""
        return await self._jira.run(
            lambda jira: jira.search(query, fields, limit, properties), Issues, reads=True
        )

    async def create(self, draft: Draft, reporters: Sequence[str | None]) -> Batch:
        """Create an issue for the first of the reporters whom Jira accepts."""
        *better, last = reporters
        for reporter in better:
            try:
                return await self._create(draft, reporter)
            except Rejected:
                # To name a reporter takes a right and a field that an account may not have.
                continue
        return await self._create(draft, last)

    async def create_many(self, drafts: Sequence[Draft]) -> Batch:
        """Create issues; those that Jira refuses do not keep it from creating the others."""
        done, refused = list[str](), list[Refused]()
        for start in range(0, len(drafts), _MADE_AT_ONCE):
            part = drafts[start : start + _MADE_AT_ONCE]
            made = [self._new(draft, draft.requester, start + n) for n, draft in enumerate(part)]
            try:
                answer = await self._jira.ask(
                    "POST", ("issue", "bulk"), records.ManyMade, body={"issueUpdates": made}
                )
            except ToolFailure as failure:
                # What there is by now must not be lost with the rest, unless it will be looked for.
                if not done or isinstance(failure, OutcomeUnknown):
                    raise
                refused += [_refused(start + n, failure.happened) for n in range(len(part))]
                continue
            done += [issue.key for issue in answer.issues]
            refused += [
                _refused(start + each.failedElementNumber, "Jira did not take it.")
                for each in answer.errors
            ]
        return Batch(done=tuple(done), refused=tuple(refused))

    async def find_lost_create(self, drafts: Sequence[Draft]) -> Batch | None:
        """Return what has our mark.

        JQL finds properties only for apps that have declared them, so that our newest are read.
        """
        ours = (self._settings.bound(), "creator = currentUser()", "created >= -1d")
        query = jql.where(*ours, order="created")
        page = await self.search(query, ("created",), _NEWEST, records.MARK)
        found: dict[int, str] = {}
        for issue in page.issues:
            value = issue.properties.get(records.MARK)
            part = records.part_of(value, self._call.idempotency_key)
            if part is not None:
                found[part] = issue.key
        if found:
            lost = [n for n in range(len(drafts)) if n not in found]
            return Batch(
                done=tuple(found[n] for n in sorted(found)),
                refused=tuple(_refused(n, "It was not opened.") for n in lost),
            )
        if page.nextPageToken is not None:
            raise OutcomeUnknown("Too much has been created since to find what was.")
        return None

    async def update(self, changes: Sequence[Change]) -> Batch:
        """Change issues one by one: Jira's bulk edit knows priorities and types by number only."""
        moved = [each.id for each in changes if each.status is not None]
        found = await self.read(moved, ("status",), moves=True)
        if len(changes) == 1:
            return Batch(done=(await self._change(changes[0], found),))
        outcomes = await map_concurrently(
            lambda change: self._outcome(change, found), changes, at_once=AT_ONCE, first_alone=True
        )
        return Batch(
            done=tuple(each for each in outcomes if isinstance(each, str)),
            refused=tuple(each for each in outcomes if isinstance(each, Refused)),
        )

    async def delete(self, ticket_id: str) -> Batch:
        """Delete an issue at once."""
        key = self.known(ticket_id)
        await self._jira.ask("DELETE", ("issue", key), records.Nothing)
        return Batch(done=(key,))

    async def delete_many(self, ids: Sequence[str]) -> Batch:
        """Delete issues in a task of Jira's own, which tells of them by number."""
        found = await self.read(ids, ("status",))
        missing = [each for each in ids if self._settings.key(each) not in found]
        refused = [Refused(which=each, reason=_NONE) for each in missing]
        if not found:
            return Batch(refused=tuple(refused))
        body = {"selectedIssueIdsOrKeys": [*found], "sendBulkNotification": False}
        task = await self._jira.ask("POST", ("bulk", "issues", "delete"), records.Task, body=body)
        progress = await poll_until(
            lambda: self._jira.ask("GET", ("bulk", "queue", task.taskId), records.Progress),
            lambda progress: progress.ended,
            budget=_JOB,
        )
        if progress is None:
            return Batch(refused=tuple(refused), job=task.taskId)
        undone = [key for key, issue in found.items() if not progress.did(issue.id)]
        refused += [Refused(which=key, reason="Jira did not delete it.") for key in undone]
        return Batch(done=tuple(key for key in found if key not in undone), refused=tuple(refused))

    def known(self, ticket_id: str) -> str:
        """Return a ticket's key.

        Raises:
            NotFound: no key is like that.
        """
        key = self._settings.key(ticket_id)
        if key is None:
            raise NotFound(_NONE)
        return key

    async def _create(self, draft: Draft, reporter: str | None) -> Batch:
        body = self._new(draft, reporter)
        made = await self._jira.ask("POST", ("issue",), records.Made, body=body)
        return Batch(done=(made.key,))

    def _new(self, draft: Draft, reporter: str | None, part: int = 0) -> dict[str, Any]:
        if self._settings.project is None:
            raise Rejected("The settings of the Jira account name no project for new tickets.")
        fields = bodies.new_issue(draft, self._settings.project, self._settings, reporter)
        return {"fields": fields, "properties": bodies.mark(self._call.idempotency_key, part)}

    async def _outcome(self, change: Change, found: Mapping[str, Issue]) -> str | Refused:
        try:
            return await self._change(change, found)
        except (NotFound, Rejected, Conflict) as failure:
            return Refused(which=change.id, reason=failure.happened)

    async def _change(self, change: Change, found: Mapping[str, Issue]) -> str:
        """Change one issue, and return its key."""
        key, step = self.known(change.id), None
        if change.status is not None:
            if key not in found:
                raise NotFound(_NONE)
            # First of all, so that nothing is changed where the workflow does not allow the rest.
            step = found[key].step(change.status)
        if edit := bodies.edit(change, self._settings):
            await self._jira.ask("PUT", ("issue", key), records.Nothing, body=edit)
        if step is not None:
            move = {"transition": {"id": step}}
            await self._jira.ask("POST", ("issue", key, "transitions"), records.Nothing, body=move)
        return key


def _refused(place: int, reason: str) -> Refused:
    return Refused(which=str(place + 1), reason=reason)
