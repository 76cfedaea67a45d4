"""The people of a Freshdesk: contacts are customers, companies are organizations."""

from collections.abc import Sequence
from datetime import timedelta

from config.columns import now
from config.security.vault import Account
from tickets.provider import Availability, Batch, Organization, User, UserDraft, UserPage
from tickets.providers.freshdesk import mapping as words
from tickets.providers.freshdesk import responses as records
from tickets.providers.freshdesk.client import AT_ONCE, PAGES, FreshdeskApi, is_number, number_of
from toolkit.errors import Forbidden, NotFound, OutcomeUnknown, Rejected
from toolkit.http.concurrency import map_concurrently
from toolkit.speech.people import fold, is_similar, likeness, same_number
from toolkit.speech.times import utc
from toolkit.tenancy import ToolCall

_AGENTS_HOLD = 60.0  # seconds
_PARTS = 3  # of a name
_BEGINNING = 3  # letters of a part of a name
LATELY = timedelta(days=1)  # in which an earlier try has to have been


class FreshdeskPeople:
    """What Freshdesk can do for people: the half of its provider that is not about tickets."""

    def __init__(self, account: Account, call: ToolCall) -> None:
        self._desk = FreshdeskApi(account, call)
        self._call = call

    async def users(self, ids: Sequence[str]) -> list[User]:
        """Return those of the users who exist: contacts, and agents."""
        found = await map_concurrently(self._user, ids, at_once=AT_ONCE)
        return [each for each in found if each]

    async def find_users(
        self,
        text: str | None,
        *,
        phone: str | None = None,
        email: str | None = None,
        limit: int = 20,
    ) -> UserPage:
        """Return users who may be meant, or any where nothing is said.

        Freshdesk compares numbers as they are written, and names from the beginning of each of
        their parts. What it does not find so is looked for among the first few hundred contacts.
        """
        if email:
            found = await self._with_email(email)
            agents = [
                each
                for each in await self._agents()
                if (each.email or "").casefold() == email.casefold()
            ]
        elif phone:
            found = await self._reached(phone)
            agents = [
                each
                for each in await self._agents()
                if each.phone and same_number(phone, each.phone)
            ]
        elif text:
            return await self._named(text, limit)
        else:
            path, size = "contacts", limit + 1
            found, more = await self._desk.listed(records.Contacts, path, size=size, pages=1)
            agents = [] if more else await self._agents()
        users = [*(words.user_of(each, phone) for each in found), *agents]
        return UserPage(users=tuple(users[:limit]), more=len(users) > limit)

    async def create_user(self, draft: UserDraft) -> str:
        """Add a contact and return the id. Freshdesk keeps each address once."""
        body = words.person(draft, await self._company(draft.organization))
        return str((await self._desk.send("POST", records.Created, "contacts", json=body)).id)

    async def find_lost_user(self, draft: UserDraft) -> str | None:
        """Return a contact with all that was sent, added lately; only a lost try is looked for."""
        if not self._call.is_retry:
            return None
        since = now() - LATELY
        wanted = {"email": draft.email} if draft.email else {"updated_since": utc(since)}
        found, more = await self._desk.listed(records.Contacts, "contacts", params=wanted)
        for each in found:
            if each.created_at and each.created_at >= since and _is(each, draft):
                return str(each.id)
        if more:
            raise OutcomeUnknown("Freshdesk has too many new contacts to tell.")
        return None

    async def update_users(self, drafts: Sequence[UserDraft]) -> Batch:
        """Change contacts, each by its id."""
        return await self._desk.each(self._update_user, [(each.id or "", each) for each in drafts])

    async def upsert_users(self, drafts: Sequence[UserDraft]) -> Batch:
        """Change the contacts who exist, by e-mail, else by phone and name; add the others."""
        work = [(str(n), each) for n, each in enumerate(drafts, 1)]
        return await self._desk.each(self._upsert_user, work)

    async def delete_user(self, user_id: str) -> None:
        """Delete a contact. Freshdesk keeps the tickets, and could restore the contact."""
        number_of(user_id, "contact")
        await self._desk.send("DELETE", records.Nothing, "contacts", user_id)

    async def organization(self, organization_id: str) -> Organization | None:
        """Return a company."""
        if not is_number(organization_id):
            return None
        try:
            found = await self._desk.get(records.Company, "companies", organization_id)
        except NotFound:
            return None
        return words.organization_of(found)

    async def availability(self, agent: str | None) -> list[Availability]:
        """Return whether an agent is available, as Freshdesk's assignment of tickets sees it."""
        if agent is None:
            found, _ = await self._desk.listed(records.Agents, "agents")
            found = [each for each in found if each.available]
        elif is_number(agent):
            try:
                found = [await self._desk.get(records.Agent, "agents", agent)]
            except NotFound:
                return []
        else:
            return []
        return [
            Availability(
                agent=str(each.id),
                name=each.contact.name or "",
                available=bool(each.available),
            )
            for each in found
        ]

    async def _user(self, user_id: str) -> User | None:
        if not is_number(user_id):
            return None
        try:
            contact = await self._desk.get(records.Contact, "contacts", user_id)
        except NotFound:
            return await self._agent(user_id)
        return None if contact.deleted else words.user_of(contact)

    async def _agent(self, user_id: str) -> User | None:
        try:
            return words.agent_of(await self._desk.get(records.Agent, "agents", user_id))
        except (NotFound, Forbidden):  # not every agent's key may look at the others
            return None

    async def _agents(self) -> list[User]:
        """Return the agents, where the key may see them."""

        async def ask() -> list[User]:
            try:
                found, _ = await self._desk.listed(records.Agents, "agents")
            except Forbidden:
                return []
            return [words.agent_of(each) for each in found]

        return await self._desk.kept("agents", _AGENTS_HOLD, ask)

    async def _with_email(self, email: str) -> list[records.Contact]:
        params = {"email": email}
        return (await self._desk.get(records.Contacts, "contacts", params=params)).root

    async def _reached(self, phone: str) -> list[records.Contact]:
        return await self._with_phone(phone) or await self._scanned(phone=phone)

    async def _with_phone(self, phone: str) -> list[records.Contact]:
        """Return the contacts whose number is written in one of the usual ways."""

        async def ask(wanted: tuple[str, str]) -> list[records.Contact]:
            params = dict([wanted])
            return (await self._desk.get(records.Contacts, "contacts", params=params)).root

        asked = [(field, way) for way in words.written(phone) for field in ("phone", "mobile")]
        found = [
            each for some in await map_concurrently(ask, asked, at_once=AT_ONCE) for each in some
        ]
        unique = {each.id: each for each in found if _has_number(each, phone)}
        return [*unique.values()]

    async def _named(self, text: str, limit: int) -> UserPage:
        """Return users with names alike. Freshdesk tells ids and names; the rest is asked for."""
        parts = text.split()[:_PARTS]
        terms = [*dict.fromkeys([*parts, *(part[:_BEGINNING] for part in parts)])]

        async def ask(term: str) -> list[records.Named]:
            path = ("contacts", "autocomplete")
            return (await self._desk.get(records.NamedContacts, *path, params={"term": term})).root

        found = [
            each for some in await map_concurrently(ask, terms, at_once=AT_ONCE) for each in some
        ]
        names = {
            str(each.id): each.name or "" for each in found if is_similar(text, each.name or "")
        }
        likely = sorted(names, key=lambda each: likeness(text, names[each]), reverse=True)
        agents = [each for each in await self._agents() if is_similar(text, each.name)]
        if likely:
            users = await self.users(likely[:limit])
        else:
            users = [words.user_of(each) for each in await self._scanned(name=text)]
        some = {each.id: each for each in [*users, *agents]}
        return UserPage(users=tuple(some.values()), more=len(likely) > limit)

    async def _scanned(
        self, *, phone: str | None = None, name: str | None = None
    ) -> list[records.Contact]:
        found, _ = await self._desk.listed(records.Contacts, "contacts", pages=PAGES)
        return [
            each
            for each in found
            if (phone and _has_number(each, phone)) or (name and is_similar(name, each.name or ""))
        ]

    async def _update_user(self, draft: UserDraft) -> str:
        user_id = draft.id or ""
        number_of(user_id, "contact")
        body = words.person(draft, await self._company(draft.organization))
        await self._desk.send("PUT", records.Created, "contacts", user_id, json=body)
        return user_id

    async def _upsert_user(self, draft: UserDraft) -> str:
        found = await self._with_email(draft.email) if draft.email else []
        if not found and not draft.name:
            raise Rejected("Freshdesk needs the name of somebody new.", say="What is the name?")
        if not found and draft.phone:
            reached = await self._reached(draft.phone)
            others = (each for each in reached if not (each.email and draft.email))
            found = [each for each in others if is_similar(draft.name or "", each.name or "")]
        if not found:
            return await self.create_user(draft)
        same = max(found, key=lambda each: likeness(draft.name or "", each.name or ""))
        return await self._update_user(draft.model_copy(update={"id": str(same.id)}))

    async def _company(self, organization: str | None) -> int | None:
        """Return a company's id by itself, or by its whole name.

        Raises:
            Rejected: there is none of that name, or several.
        """
        if organization is None or is_number(organization):
            return None if organization is None else int(organization)
        path, params = ("companies", "autocomplete"), {"name": organization}
        found = await self._desk.get(records.NamedCompanies, *path, params=params)
        name = fold(organization)
        ids = [each.id for each in found.companies if fold(each.name or "") == name]
        if len(ids) != 1:
            raise Rejected(
                "Freshdesk has no such company, or several.",
                say="I can't find that company.",
                next="Go on without an organization, or ask for its full name.",
            )
        return ids[0]


def _is(contact: records.Contact, draft: UserDraft) -> bool:
    """Say whether a contact has all that was sent."""
    return (
        (draft.name is None or contact.name == draft.name)
        and (contact.email or "").casefold() == (draft.email or "").casefold()
        and (draft.phone is None or _has_number(contact, draft.phone))
    )


def _has_number(contact: records.Contact, phone: str) -> bool:
    return any(same_number(phone, each) for each in (contact.phone, contact.mobile) if each)
