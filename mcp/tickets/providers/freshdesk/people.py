"""Freshdesk's users and organizations: contacts and agents, and companies."""

from collections.abc import Sequence

from config.columns import now
from tickets.provider import BatchOutcome, Organization, User, UserDraft, UserPage
from tickets.providers.freshdesk import payloads, responses
from tickets.providers.freshdesk.client import (
    CONCURRENCY,
    MAX_PAGES,
    RETRY_WINDOW,
    FreshdeskClient,
    is_number,
    to_number,
)
from tickets.providers.freshdesk.mapping import agent_to_user, to_organization, to_user
from tickets.providers.freshdesk.matching import has_number, is_contact_of, phone_formats
from tickets.sentences import say
from toolkit.errors import Forbidden, NotFound, OutcomeUnknown, Rejected
from toolkit.http.concurrency import map_concurrently
from toolkit.speech.people import fold, is_same_number, is_similar, similarity
from toolkit.speech.times import format_utc

_AGENTS_TTL = 60.0  # seconds
_MAX_PARTS = 3  # of a name
_PREFIX = 3  # letters of a part of a name that may have been misheard


class FreshdeskPeople:
    """The users and organizations of one account."""

    def __init__(self, client: FreshdeskClient) -> None:
        self._client = client

    async def get(self, ids: Sequence[str]) -> list[User]:
        """Return the contacts and agents, in the order of `ids`; deleted contacts are gone."""
        found = await map_concurrently(self._find_user, ids, limit=CONCURRENCY)
        return [each for each in found if each]

    async def search(
        self,
        text: str | None,
        *,
        phone: str | None = None,
        email: str | None = None,
        limit: int = 20,
    ) -> UserPage:
        """Return users with a similar name, or that number or address; without any, all users.

        Freshdesk compares numbers as they are stored, and names by the beginnings of their parts.
        What it does not find so is looked for among the first few hundred contacts.
        """
        if text and not email and not phone:
            return await self._search_by_name(text, limit)
        more = False
        if email:
            contacts = await self._find_by_email(email)
            agents = [each for each in await self._agents() if _has_email(each, email)]
        elif phone:
            contacts = await self._find_by_phone(phone)
            agents = [
                each
                for each in await self._agents()
                if each.phone and is_same_number(phone, each.phone)
            ]
        else:
            listed, more = await self._client.get_pages(
                responses.Contacts, "contacts", size=limit + 1, pages=1
            )
            contacts = _existing(listed)
            agents = [] if more else await self._agents()
        users = [*(to_user(each, phone) for each in contacts), *agents]
        return UserPage(users=tuple(users[:limit]), more=more or len(users) > limit)

    async def create(self, draft: UserDraft) -> str:
        """Add a contact and return the id; Freshdesk refuses a second one with an address."""
        body = payloads.contact(draft, await self._find_company(draft.organization))
        created = await self._client.send("POST", responses.Created, "contacts", json=body)
        return str(created.id)

    async def find_lost_create(self, draft: UserDraft) -> str | None:
        """Return the last day's contact that has all that was sent, if this is a retry."""
        if not self._client.call.is_retry:
            return None
        since = now() - RETRY_WINDOW
        params = {"email": draft.email} if draft.email else {"updated_since": format_utc(since)}
        contacts, more = await self._client.get_pages(responses.Contacts, "contacts", params=params)
        for each in _existing(contacts):
            if each.created_at and each.created_at >= since and is_contact_of(each, draft):
                return str(each.id)
        if more:
            raise OutcomeUnknown("Freshdesk has too many new contacts to tell.")
        return None

    async def update(self, drafts: Sequence[UserDraft]) -> BatchOutcome:
        """Change contacts by their ids."""
        named = [(draft.id or "", draft) for draft in drafts]
        return await self._client.run_each(self._update_one, named)

    async def upsert(self, drafts: Sequence[UserDraft]) -> BatchOutcome:
        """Change the contacts who exist, by e-mail, else by phone and name; add the others."""
        named = [(str(n), draft) for n, draft in enumerate(drafts, 1)]
        return await self._client.run_each(self._upsert_one, named)

    async def delete(self, user_id: str) -> None:
        """Delete a contact. Freshdesk keeps the tickets, and could restore the contact."""
        to_number(user_id, "contact")
        await self._client.send("DELETE", responses.Nothing, "contacts", user_id)

    async def get_organization(self, organization_id: str) -> Organization | None:
        """Return a company; None if it does not exist."""
        if not is_number(organization_id):
            return None
        try:
            company = await self._client.get(responses.Company, "companies", organization_id)
        except NotFound:
            return None
        return to_organization(company)

    async def _find_user(self, user_id: str) -> User | None:
        if not is_number(user_id):
            return None
        try:
            contact = await self._client.get(responses.Contact, "contacts", user_id)
        except NotFound:
            return await self._find_agent(user_id)
        return to_user(contact)

    async def _find_agent(self, user_id: str) -> User | None:
        try:
            return agent_to_user(await self._client.get(responses.Agent, "agents", user_id))
        except (NotFound, Forbidden):  # not every agent's key may read the others
            return None

    async def _agents(self) -> list[User]:
        """Return the agents, cached for a minute; none if the key may not read them."""

        async def fetch() -> list[User]:
            try:
                agents, _ = await self._client.get_pages(responses.Agents, "agents")
            except Forbidden:
                return []
            return [agent_to_user(each) for each in agents]

        return await self._client.cached("agents", _AGENTS_TTL, fetch)

    async def _find_by_email(self, email: str) -> list[responses.Contact]:
        params = {"email": email}
        found = await self._client.get(responses.Contacts, "contacts", params=params)
        return _existing(found.root)

    async def _find_by_phone(self, phone: str) -> list[responses.Contact]:
        """Return the contacts with a number in a usual format, else with it in any format."""

        async def fetch(field_and_number: tuple[str, str]) -> list[responses.Contact]:
            params = dict([field_and_number])
            found = await self._client.get(responses.Contacts, "contacts", params=params)
            return _existing(found.root)

        fields = ("phone", "mobile")
        params = [(field, number) for number in phone_formats(phone) for field in fields]
        pages = await map_concurrently(fetch, params, limit=CONCURRENCY)
        by_id = {each.id: each for page in pages for each in page if has_number(each, phone)}
        return [*by_id.values()] or await self._scan(phone=phone)

    async def _search_by_name(self, name: str, limit: int) -> UserPage:
        """Return users with a similar name.

        Freshdesk's search by name returns ids and names; the users are then read by id.
        """
        parts = name.split()[:_MAX_PARTS]
        terms = [*dict.fromkeys([*parts, *(part[:_PREFIX] for part in parts)])]

        async def fetch(term: str) -> list[responses.Named]:
            path = ("contacts", "autocomplete")
            params = {"term": term}
            return (await self._client.get(responses.NamedContacts, *path, params=params)).root

        pages = await map_concurrently(fetch, terms, limit=CONCURRENCY)
        names = {
            str(each.id): each.name or ""
            for page in pages
            for each in page
            if is_similar(name, each.name or "")
        }
        similar = sorted(names, key=lambda id: similarity(name, names[id]), reverse=True)
        agents = [each for each in await self._agents() if is_similar(name, each.name)]
        if similar:
            users = [each for each in await self.get(similar[:limit]) if not each.gone]
        else:
            users = [to_user(each) for each in await self._scan(name=name)]
        by_id = {each.id: each for each in [*users, *agents]}
        return UserPage(users=tuple(by_id.values()), more=len(similar) > limit)

    async def _scan(
        self, *, phone: str | None = None, name: str | None = None
    ) -> list[responses.Contact]:
        """Return those of the first few hundred contacts with a number or a similar name."""
        contacts, _ = await self._client.get_pages(responses.Contacts, "contacts", pages=MAX_PAGES)
        return [
            each
            for each in _existing(contacts)
            if (phone and has_number(each, phone)) or (name and is_similar(name, each.name or ""))
        ]

    async def _update_one(self, draft: UserDraft) -> str:
        user_id = draft.id or ""
        to_number(user_id, "contact")
        body = payloads.contact(draft, await self._find_company(draft.organization))
        await self._client.send("PUT", responses.Created, "contacts", user_id, json=body)
        return user_id

    async def _upsert_one(self, draft: UserDraft) -> str:
        contacts = await self._find_by_email(draft.email) if draft.email else []
        if not contacts and not draft.name:
            raise Rejected("Freshdesk needs the name of somebody new.", say=say("which_name"))
        if not contacts and draft.phone:
            # A contact with the number and another e-mail address is somebody else.
            same_phone = await self._find_by_phone(draft.phone)
            others = (each for each in same_phone if not (each.email and draft.email))
            contacts = [each for each in others if is_similar(draft.name or "", each.name or "")]
        if not contacts:
            return await self.create(draft)
        best = max(contacts, key=lambda each: similarity(draft.name or "", each.name or ""))
        return await self._update_one(draft.model_copy(update={"id": str(best.id)}))

    async def _find_company(self, organization: str | None) -> int | None:
        """Return the id of a company that is given by its id or its whole name.

        Raises:
            Rejected: there is no company of that name, or several.
        """
        if organization is None or is_number(organization):
            return None if organization is None else int(organization)
        path, params = ("companies", "autocomplete"), {"name": organization}
        found = await self._client.get(responses.NamedCompanies, *path, params=params)
        name = fold(organization)
        ids = [each.id for each in found.companies if fold(each.name or "") == name]
        if len(ids) != 1:
            raise Rejected(
                "Freshdesk has no such company, or several.",
                say=say("no_such_company"),
                next="Go on without an organization, or ask for its full name.",
            )
        return ids[0]


def _existing(contacts: Sequence[responses.Contact]) -> list[responses.Contact]:
    """Return the contacts who are not deleted."""
    return [each for each in contacts if not each.deleted]


def _has_email(user: User, email: str) -> bool:
    return (user.email or "").casefold() == email.casefold()
