"""Zendesk Support, through its SDK zenpy: https://developer.zendesk.com/api-reference/ticketing/."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import httpx2
from pydantic import BaseModel, Field, SecretStr

from config.security.vault import Account
from tickets.provider import (
    MOST,
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
from tickets.providers.zendesk import mapping as records
from tickets.providers.zendesk import payloads as bodies
from tickets.providers.zendesk.client import Wired
from tickets.providers.zendesk.people import People
from tickets.providers.zendesk.tickets import Desk
from toolkit.errors import Disconnected, NotFound
from toolkit.http.client import VendorApi
from toolkit.tenancy import Credentials, ToolCall

_US_HOLDS = 3600.0  # seconds


class ZendeskCredentials(Credentials):
    """What a tenant pastes in to connect Zendesk: `acme` is the subdomain of acme.zendesk.com."""

    subdomain: str = Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$")
    email: str
    api_token: SecretStr
    webhook_secret: SecretStr | None = None


class _Settings(BaseModel):
    talk_app_id: int | None = None
    talk_line: str | None = None


class Zendesk:
    """A tenant's Zendesk. Own fields are named `custom_field_` and their number.

    With the settings `talk_app_id` and `talk_line`, its own number, calls are logged as those of
    Talk's Partner Edition. Without both a call becomes an internal comment of its ticket, or a
    solved ticket, which needs no plan of Talk's.
    """

    credentials: ClassVar[type[Credentials]] = ZendeskCredentials
    unsupported: ClassVar[Mapping[str, str]] = {}

    def __init__(self, account: Account, call: ToolCall) -> None:
        given = ZendeskCredentials.model_validate(account.secrets)
        self._account = account
        self._call = call
        self._settings = _Settings.model_validate(account.settings)
        self._api = VendorApi(
            "Zendesk",
            account.base_url(f"https://{given.subdomain}.zendesk.com"),
            call.vendor_connection(account),
            httpx2.BasicAuth(f"{given.email}/token", given.api_token.get_secret_value()),
        )
        self._zendesk = Wired(self._api, call.runtime.threads)
        self._people = People(self._zendesk, call)
        self._desk = Desk(self._zendesk, self._people, call, self._us)

    async def check(self) -> None:
        """Read whose token it is: to one that has gone, Zendesk may answer as to a stranger."""
        if await self._read_us() is None:
            raise Disconnected("Zendesk does not know the account; it must be reconnected.")

    async def tickets(self, ids: Sequence[str]) -> list[Ticket]:
        """Return those of the tickets that exist, in the order of `ids`."""
        return await self._desk.tickets(ids)

    async def find(self, wanted: Wanted) -> TicketPage:
        """Return tickets that fulfil the conditions."""
        return await self._desk.find(wanted)

    async def create(self, drafts: Sequence[Draft]) -> Batch:
        """Open tickets."""
        return await self._desk.create(drafts)

    async def find_lost_create(self, drafts: Sequence[Draft]) -> Batch | None:
        """Return what an earlier try has opened, if one was lost."""
        return await self._desk.find_lost_create(drafts)

    async def update(self, changes: Sequence[Change]) -> Batch:
        """Change tickets."""
        return await self._desk.update(changes)

    async def delete(self, ids: Sequence[str]) -> Batch:
        """Delete tickets."""
        return await self._desk.delete(ids)

    async def merge(self, into: str, ids: Sequence[str], comment: str | None) -> Batch:
        """Close tickets as parts of another."""
        return await self._desk.merge(into, ids, comment)

    async def comments(self, ticket_id: str) -> list[Comment] | None:
        """Return a ticket's comments, oldest first; of very many the last ones."""
        return await self._desk.comments(ticket_id)

    async def comment(self, ticket_id: str, text: str, *, public: bool) -> str:
        """Add a comment and return its id."""
        return await self._desk.comment(ticket_id, text, public=public)

    async def find_lost_comment(self, ticket_id: str, text: str) -> str | None:
        """Return our own comment of the last day that says the same, if an earlier try was lost."""
        return await self._desk.said_before(ticket_id, lambda said: said.split() == text.split())

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
        return await self._people.find(text, phone, email, limit)

    async def create_user(self, draft: UserDraft) -> str:
        """Add a user and return the id."""
        return await self._people.create(draft)

    async def find_lost_user(self, draft: UserDraft) -> str | None:
        """Return the user whom an earlier try has added, if one was lost."""
        return await self._people.find_lost_create(draft)

    async def update_users(self, drafts: Sequence[UserDraft]) -> Batch:
        """Change users, each by its id."""
        return await self._people.update(drafts)

    async def upsert_users(self, drafts: Sequence[UserDraft]) -> Batch:
        """Change the users who exist, by their address, and add the others."""
        return await self._people.upsert(drafts)

    async def delete_user(self, user_id: str) -> None:
        """Delete a user."""
        await self._people.delete(user_id)

    async def organization(self, organization_id: str) -> Organization | None:
        """Return an organization."""
        try:
            number = bodies.number(organization_id, "organization")
            found = await self._zendesk.ask(
                lambda desk, _: desk.organizations(id=number), records.OrganizationRecord
            )
        except NotFound:
            return None
        return found.organization()

    async def log_call(self, log: CallLog) -> str:
        """Write a call down where the account can: as a call, a comment, or a solved ticket."""
        app, line = self._settings.talk_app_id, self._settings.talk_line
        if app is not None and line is not None:
            self._call.refuse_if_retry("Zendesk")
            call = bodies.call_of(log, app, line)
            title = {"title": log.summary, "call_fields": ["from_line", "to_line", "direction"]}
            logged = await self._zendesk.ask(
                lambda desk, _: desk.calls.create(call, title), records.CallRecord, writes=True
            )
            return str(logged.id)
        what, begun = bodies.told(log)
        if log.ticket is not None:
            before = await self._desk.said_before(log.ticket, lambda said: _begins(said, what))
            return before or await self._desk.comment(log.ticket, what + begun, public=False)
        draft = bodies.call_ticket(log)
        opened = await self._desk.find_lost_create([draft])
        if opened is not None and opened.done:
            return opened.done[0]
        (caller,) = await self._people.callers([draft])
        comment = {"body": what + begun, "public": False}
        return await self._desk.opened(draft, caller, status="solved", comment=comment)

    async def availability(self, agent: str | None) -> list[Availability]:
        """Return whether an agent is available on the phone; of None, the agents who are."""
        if agent is None:
            there = await self._api.call(
                "GET",
                ("api", "v2", "agent_availabilities"),
                records.Presences,
                params={"filter[channel_status]": "talk:online", "page[size]": MOST},
            )
            ids = [each.attributes.agent_id for each in there.data]
            return [
                Availability(agent=str(each.id), name=each.name or "", available=True)
                for each in await self._people.records(ids)
            ]
        found = await self._people.records(bodies.numbers([agent]))
        if not found or found[0].part != "agent":
            return []
        line = await self._line(found[0].id)
        return [Availability(agent=agent, name=found[0].name or "", available=line.free)]

    async def _line(self, agent: int) -> records.Line:
        try:
            return await self._zendesk.ask(
                lambda desk, _: desk.talk.availability(id=agent), records.Line
            )
        except NotFound:
            # An agent who has no line at all.
            return records.Line()

    async def _us(self) -> int | None:
        return await self._call.cached(self._account, "us", _US_HOLDS, self._read_us)

    async def _read_us(self) -> int | None:
        return (await self._zendesk.ask(lambda desk, _: desk.users.me(), records.Us)).id


def _begins(text: str, beginning: str) -> bool:
    return " ".join(text.split()).startswith(" ".join(beginning.split()))
