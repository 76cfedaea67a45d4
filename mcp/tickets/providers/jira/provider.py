"""Jira Cloud REST API v3: https://developer.atlassian.com/cloud/jira/platform/rest/v3/intro/."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import ClassVar

import httpx2
from pydantic import Field, SecretStr

from config.security.vault import Account
from tickets.provider import (
    Availability,
    Batch,
    CallLog,
    Change,
    Comment,
    Draft,
    Organization,
    Ticket,
    TicketPage,
    User,
    UserDraft,
    UserPage,
    Wanted,
)
from tickets.providers.jira import mapping as records
from tickets.providers.jira import payloads as bodies
from tickets.providers.jira import search as jql
from tickets.providers.jira.adf import document
from tickets.providers.jira.client import Query, Wired
from tickets.providers.jira.people import People, is_account
from tickets.providers.jira.settings import Settings
from tickets.providers.jira.tickets import Desk
from toolkit.errors import NotFound, Rejected
from toolkit.http.client import VendorApi
from toolkit.tenancy import Credentials, ToolCall

_COMMENTS = 100  # in one answer
_PAGES = 5  # of comments
_US_HOLDS = 3600.0  # seconds
_DAY = timedelta(days=1)
_PARTS = {"requested": "reporter", "assigned": "assignee", "copied": "watcher"}
_INTERNAL = {"key": "sd.public.comment", "value": {"internal": True}}
_OWNERS_ONLY = "Atlassian accounts are changed by the people whose they are."
_NO_ORGANIZATIONS = "Jira has no organizations; those of Jira Service Management are another API."


class JiraCredentials(Credentials):
    """What a tenant pastes in to connect Jira: `acme` is the site of acme.atlassian.net."""

    site: str = Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$")
    email: str
    api_token: SecretStr
    webhook_secret: SecretStr | None = None


class Jira:
    """A tenant's Jira site. A ticket is an issue, and its id the issue's key; tags are labels.

    New tickets go into the project that the setting `project` names; without it there are none.
    """

    credentials: ClassVar[type[Credentials]] = JiraCredentials
    unsupported: ClassVar[Mapping[str, str]] = {
        "merge_tickets": "Jira links issues to each other, but does not merge them.",
        "update_user": _OWNERS_ONLY,
        "update_many_users": _OWNERS_ONLY,
        "create_or_update_user": _OWNERS_ONLY,
        "create_or_update_many_users": _OWNERS_ONLY,
        "get_organization": _NO_ORGANIZATIONS,
        "get_organization_tickets": _NO_ORGANIZATIONS,
        "check_availability": "Jira does not know who can take a call.",
    }

    def __init__(self, account: Account, call: ToolCall) -> None:
        given = JiraCredentials.model_validate(account.secrets)
        self._account = account
        self._call = call
        self._settings = Settings.model_validate(account.settings)
        api = VendorApi(
            "Jira",
            account.base_url(f"https://{given.site}.atlassian.net"),
            call.vendor_connection(account),
            httpx2.BasicAuth(given.email, given.api_token.get_secret_value()),
        )
        self._jira = Wired(api, call.runtime.threads)
        self._issues = Desk(self._jira, call, self._settings)
        self._people = People(self._jira)

    async def check(self) -> None:
        """Read whose token it is."""
        await self._read_us()

    async def tickets(self, ids: Sequence[str]) -> list[Ticket]:
        """Return those of the tickets that exist, in the order of `ids`."""
        found = await self._issues.read(ids)
        return [issue.ticket(self._settings) for issue in found.values()]

    async def find(self, wanted: Wanted) -> TicketPage:
        """Return tickets of the project, or of the last year where none is set."""
        clauses = [self._settings.bound()]
        if wanted.text is not None:
            words = jql.contains(wanted.text)
            if words is None:
                return TicketPage(tickets=())
            clauses.append(words)
        if wanted.status is not None:
            clauses.append(self._stands(wanted.status))
        if wanted.type is not None:
            clauses.append(jql.equals("issuetype", self._settings.kind(wanted.type)))
        if wanted.of is not None and wanted.part is not None:
            if wanted.part not in _PARTS or not is_account(wanted.of):
                return TicketPage(tickets=())
            clauses.append(jql.equals(_PARTS[wanted.part], wanted.of))
        page = await self._issues.search(jql.where(*clauses), records.SHOWN, wanted.limit)
        return TicketPage(
            tickets=tuple(issue.ticket(self._settings) for issue in page.issues),
            more=page.nextPageToken is not None,
        )

    async def create(self, drafts: Sequence[Draft]) -> Batch:
        """Open tickets. Of a single one, whoever has the caller's address becomes the reporter."""
        if len(drafts) > 1:
            return await self._issues.create_many(drafts)
        (draft,) = drafts
        if draft.requester or not draft.requester_email or not self._settings.project:
            return await self._issues.create(draft, [draft.requester])
        known = await self._people.with_address(draft.requester_email)
        return await self._issues.create(draft, [known.id, None] if known else [None])

    async def find_lost_create(self, drafts: Sequence[Draft]) -> Batch | None:
        """Return what has the mark of this call."""
        return await self._issues.find_lost_create(drafts) if self._call.is_retry else None

    async def update(self, changes: Sequence[Change]) -> Batch:
        """Change tickets; a status is reached by a step of the workflow."""
        return await self._issues.update(changes)

    async def delete(self, ids: Sequence[str]) -> Batch:
        """Delete tickets: a single one at once, many in a task of Jira's own."""
        if len(ids) > 1:
            return await self._issues.delete_many(ids)
        return await self._issues.delete(ids[0])

    async def merge(self, into: str, ids: Sequence[str], comment: str | None) -> Batch:
        """Refuse."""
        raise Rejected(self.unsupported["merge_tickets"])

    async def comments(self, ticket_id: str) -> list[Comment] | None:
        """Return a ticket's comments, oldest first; of very many the last ones."""
        key = self._settings.key(ticket_id)
        if key is None:
            return None
        found: list[records.Note] = []
        try:
            for _ in range(_PAGES):
                page = await self._newest(key, len(found))
                found += page.comments
                if not page.comments or len(found) >= page.total:
                    break
        except NotFound:
            return None
        us = await self._us()
        return [note.comment(us) for note in reversed(found)]

    async def comment(self, ticket_id: str, text: str, *, public: bool) -> str:
        """Add a comment; one that is not public is internal where customers read along."""
        mark = bodies.mark(self._call.idempotency_key)
        properties = [*mark, *([] if public else [_INTERNAL])]
        path = ("issue", self._issues.known(ticket_id), "comment")
        body = {"body": document(text), "properties": properties}
        return (await self._jira.ask("POST", path, records.Note, body=body)).id

    async def find_lost_comment(self, ticket_id: str, text: str) -> str | None:
        """Return the comment that has the mark of this call."""
        key = self._settings.key(ticket_id)
        if not self._call.is_retry or key is None:
            return None
        try:
            newest = (await self._newest(key, 0)).comments
        except NotFound:
            return None
        ids = [int(note.id) for note in newest if note.id.isdecimal()]
        if not ids:
            return None
        # A list of an issue's comments is without their properties.
        path, query = ("comment", "list"), {"expand": "properties"}
        found = await self._jira.ask("POST", path, records.NoteList, query=query, body={"ids": ids})
        return next((note.id for note in found.values if self._made(note.properties)), None)

    async def users(self, ids: Sequence[str]) -> list[User]:
        """Return those of the users who exist, in the order of `ids`."""
        return await self._people.users(ids)

    async def find_users(
        self,
        text: str | None,
        *,
        phone: str | None = None,
        email: str | None = None,
        limit: int = 20,
    ) -> UserPage:
        """Return users who may be meant, or any where nothing is said."""
        return await self._people.find(text, phone, email)

    async def create_user(self, draft: UserDraft) -> str:
        """Add a user and return the id."""
        return await self._people.create(draft)

    async def find_lost_user(self, draft: UserDraft) -> str | None:
        """Return who has the address."""
        if not self._call.is_retry or draft.email is None:
            return None
        found = await self._people.with_address(draft.email)
        return found.id if found else None

    async def update_users(self, drafts: Sequence[UserDraft]) -> Batch:
        """Refuse."""
        raise Rejected(_OWNERS_ONLY)

    async def upsert_users(self, drafts: Sequence[UserDraft]) -> Batch:
        """Refuse."""
        raise Rejected(_OWNERS_ONLY)

    async def delete_user(self, user_id: str) -> None:
        """Delete a user."""
        await self._people.delete(user_id)

    async def organization(self, organization_id: str) -> Organization | None:
        """Return nothing."""
        return None

    async def log_call(self, log: CallLog) -> str:
        """Write a call down as work on its ticket."""
        if log.ticket is None:
            raise Rejected(
                "Jira keeps calls with a ticket only.",
                say="Which ticket was that call about?",
                next="Call again with the ticket, or open one first.",
            )
        path = ("issue", self._issues.known(log.ticket), "worklog")
        if self._call.is_retry:
            since = int((log.started_at - _DAY).timestamp() * 1000)
            query: Query = {"startedAfter": since, "expand": "properties"}
            before = await self._jira.ask("GET", path, records.Entries, query=query)
            for entry in before.worklogs:
                if self._made(entry.properties):
                    return entry.id
        mark = {"properties": bodies.mark(self._call.idempotency_key)}
        body = {**bodies.worklog(log), **mark}
        kept: Query = {"adjustEstimate": "leave"}
        return (await self._jira.ask("POST", path, records.Entry, query=kept, body=body)).id

    async def availability(self, agent: str | None) -> list[Availability]:
        """Refuse."""
        raise Rejected(self.unsupported["check_availability"])

    def _stands(self, status: str) -> str:
        category = records.CATEGORIES.get(status)
        if category is None:
            return jql.equals("status", status)
        return jql.equals("statusCategory", records.CATEGORY_NAMES[category])

    async def _newest(self, key: str, start: int) -> records.Notes:
        path = ("issue", key, "comment")
        query: Query = {"orderBy": "-created", "startAt": start, "maxResults": _COMMENTS}
        return await self._jira.ask("GET", path, records.Notes, query=query)

    def _made(self, properties: Sequence[records.Property]) -> bool:
        """Say whether this very call has made the record with these properties."""
        call = self._call.idempotency_key
        marks = (each.value for each in properties if each.key == records.MARK)
        return any(records.part_of(value, call) is not None for value in marks)

    async def _us(self) -> str:
        us = await self._call.cached(self._account, "us", _US_HOLDS, self._read_us)
        return us.accountId

    async def _read_us(self) -> records.Account:
        return await self._jira.run(lambda jira: jira.myself(), records.Account, reads=True)
