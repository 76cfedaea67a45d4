"""Zendesk's users: found, added, changed, and those whom a ticket is for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from config.columns import now
from tickets.provider import MOST, Batch, Draft, User, UserDraft, UserPage
from tickets.providers.zendesk import mapping as records
from tickets.providers.zendesk import payloads as bodies
from tickets.providers.zendesk import search
from tickets.providers.zendesk.client import Wired, Work, first
from tickets.providers.zendesk.mapping import UserRecord, UserRecords
from toolkit.errors import Conflict, Rejected
from toolkit.http.concurrency import map_concurrently
from toolkit.speech.people import fold, is_similar, same_number
from toolkit.tenancy import ToolCall

_DAY = timedelta(days=1)
_AT_ONCE = 4  # searches for one call
_ALL = {"per_page": str(MOST)}


@dataclass(frozen=True)
class People:
    """The users of one account."""

    zendesk: Wired
    call: ToolCall

    async def records(self, ids: Sequence[int]) -> list[UserRecord]:
        """Return those of the users who exist, in the order of `ids`."""
        if not ids:
            return []
        found = await self.zendesk.ask(
            lambda desk, _: first(desk.users(ids=ids), MOST), UserRecords
        )
        by_id = {each.id: each for each in found.root}
        return [by_id[each] for each in ids if each in by_id]

    async def users(self, ids: Sequence[str]) -> list[User]:
        """Return those of the users who exist, in the order of `ids`."""
        return [each.user() for each in await self.records(bodies.numbers(ids))]

    async def find(
        self, text: str | None, phone: str | None, email: str | None, limit: int
    ) -> UserPage:
        """Return users who may be meant, or any where nothing is said."""
        if email is not None or phone is not None or text is not None:
            return UserPage(
                users=tuple(each.user() for each in await self._alike(text, phone, email))
            )
        size = min(limit + 1, MOST)
        found = await self.zendesk.ask(
            lambda desk, _: first(desk.users(cursor_pagination=size), size), UserRecords
        )
        users = tuple(each.user() for each in found.root)
        return UserPage(users=users[:limit], more=len(users) > limit)

    async def create(self, draft: UserDraft) -> str:
        """Add a user and return the id; Zendesk itself refuses a second one with an address."""
        body = bodies.person(draft, await self._organization(draft))
        try:
            return await self._written(lambda desk, new: desk.users.create(new.User(**body)))
        except Rejected:
            if draft.email is None or not await self._alike(None, None, draft.email):
                raise
        raise Conflict("There is a user with that address.")

    async def find_lost_create(self, draft: UserDraft) -> str | None:
        """Return the user whom a lost try has added, if one has.

        Whoever is new can be searched for only minutes later. By then an address is what keeps
        Zendesk from adding somebody twice; without one nobody can tell.
        """
        if not self.call.is_retry:
            return None
        found = await self._alike(draft.name, draft.phone, draft.email)
        lately = [each for each in found if each.created_at and each.created_at > now() - _DAY]
        same = [each for each in lately if _is(draft, each)]
        if not same and draft.email is None:
            self.call.refuse_if_retry("Zendesk")
        return str(same[0].id) if same else None

    async def update(self, drafts: Sequence[UserDraft]) -> Batch:
        """Change users: one at once, many in a job. A new e-mail address is a further one."""
        if len(drafts) == 1:
            (draft,) = drafts
            body = bodies.changed_person(draft, await self._organization(draft))
            user = await self._written(lambda desk, new: desk.users.update(new.User(**body)))
            return Batch(done=(user,))
        organizations = {
            draft.id: await self._organization(draft) for draft in drafts if draft.organization
        }
        sent, refused = bodies.each_or_refused(
            lambda draft: bodies.changed_person(draft, organizations.get(draft.id)),
            {draft.id or "": draft for draft in drafts},
        )
        return await self.zendesk.bulk(
            lambda desk, new: desk.users.update([new.User(**each) for each in sent.values()]),
            [*sent],
            refused,
        )

    async def upsert(self, drafts: Sequence[UserDraft]) -> Batch:
        """Change those who exist and add the others.

        Zendesk knows them by their e-mail address. Who has none is looked for by the number.
        """
        nameless = [draft for draft in drafts if draft.email is None and draft.phone is not None]
        found = await map_concurrently(
            lambda each: self._with_phone(each.name, each.phone), nameless, at_once=_AT_ONCE
        )
        known = {each: who.id for each, who in zip(nameless, found, strict=True) if who}
        there = [
            draft.model_copy(update={"id": str(known[draft])}) for draft in drafts if draft in known
        ]
        others = [(n, draft) for n, draft in enumerate(drafts, start=1) if draft not in known]
        changed = await self.update(there) if there else Batch()
        kept = await self._kept(others) if others else Batch()
        return Batch(
            done=(*changed.done, *kept.done),
            refused=(*changed.refused, *kept.refused),
            job=changed.job or kept.job,
        )

    async def delete(self, user_id: str) -> None:
        """Delete a user."""
        found = bodies.number(user_id, "user")
        await self.zendesk.ask(
            lambda desk, new: desk.users.delete(new.User(id=found)), records.Done, writes=True
        )

    async def callers(self, drafts: Sequence[Draft]) -> list[int | None]:
        """Return whom each ticket is for, where all that is known is a name or a number."""
        unknown = {_caller_of(draft): None for draft in drafts}
        found = await map_concurrently(
            lambda caller: self._caller(*caller), [*unknown], at_once=_AT_ONCE
        )
        ids = dict(zip(unknown, found, strict=True))
        return [ids[_caller_of(draft)] for draft in drafts]

    async def _caller(self, name: str | None, phone: str | None) -> int | None:
        """Return the user who has a number, or a new one; None for a caller who is unknown."""
        known = await self._with_phone(name, phone) if phone else None
        if known is not None:
            return known.id
        if name is None and phone is None:
            return None
        return int(await self.create(UserDraft(name=name or phone, phone=phone)))

    async def _with_phone(self, name: str | None, phone: str | None) -> UserRecord | None:
        """Return whoever has a number, and not quite another name."""
        meant = UserDraft(phone=phone)
        for each in await self._alike(None, phone, None):
            if _is(meant, each) and (name is None or is_similar(name, each.name or "")):
                return each
        return None

    async def _alike(
        self, text: str | None, phone: str | None, email: str | None
    ) -> list[UserRecord]:
        if email is not None:
            queries = search.with_email(email)
        elif phone is not None:
            queries = search.with_phone(phone)
        else:
            queries = search.named(text or "")
        found: list[UserRecord] = []
        for query in queries:
            found = await self._search(query)
            if text is None or any(is_similar(text, each.name or "") for each in found):
                break
        return found

    async def _search(self, query: str) -> list[UserRecord]:
        found = await self.zendesk.ask(
            lambda desk, _: first(desk.users.search(query=query), MOST),
            UserRecords,
            query=_ALL,
        )
        return found.root

    async def _kept(self, drafts: Sequence[tuple[int, UserDraft]]) -> Batch:
        kept = [bodies.person(draft, await self._organization(draft)) for _, draft in drafts]
        if len(kept) == 1:
            (body,) = kept
            user = await self._written(
                lambda desk, new: desk.users.create_or_update(new.User(**body))
            )
            return Batch(done=(user,))
        return await self.zendesk.bulk(
            lambda desk, new: desk.users.create_or_update([new.User(**body) for body in kept]),
            [str(place) for place, _ in drafts],
            created=True,
        )

    async def _written(self, work: Work) -> str:
        return str((await self.zendesk.ask(work, UserRecord, writes=True)).id)

    async def _organization(self, draft: UserDraft) -> int | None:
        """Return the number of an organization that is named by it, or by its name."""
        named = draft.organization
        if named is None:
            return None
        if numbers := bodies.numbers([named]):
            return numbers[0]
        path = ("api", "v2", "organizations", "search")
        found = await self.zendesk.api.call(
            "GET", path, records.OrganizationsFound, params={"name": named}
        )
        for each in found.organizations:
            if each.name.casefold() == named.casefold():
                return each.id
        raise Rejected(
            "Zendesk has no organization of that name.",
            say="I can't find that organization.",
            next="Call again without it, or with its id.",
        )


def _caller_of(draft: Draft) -> tuple[str | None, str | None]:
    if draft.requester or draft.requester_email:
        return None, None
    return draft.requester_name, draft.requester_phone


def _is(draft: UserDraft, user: UserRecord) -> bool:
    """Say whether a user is who is meant: by the name, if there is one, and the address."""
    if draft.name is not None and fold(draft.name) != fold(user.name or ""):
        return False
    if draft.email is not None:
        return (user.email or "").casefold() == draft.email.casefold()
    return draft.phone is None or (user.phone is not None and same_number(draft.phone, user.phone))
