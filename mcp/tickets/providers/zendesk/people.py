"""Zendesk's users and organizations, and the requesters of tickets."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from config.columns import now
from tickets.provider import (
    MAX_BATCH,
    BatchOutcome,
    Organization,
    Refusal,
    TicketDraft,
    User,
    UserDraft,
    UserPage,
)
from tickets.providers.zendesk import payloads, search
from tickets.providers.zendesk.client import Work, ZendeskClient, take
from tickets.providers.zendesk.mapping import to_organization, to_user
from tickets.providers.zendesk.responses import (
    EmptyRecord,
    OrganizationPage,
    OrganizationRecord,
    SingleUserRecords,
    UserRecord,
    UserRecords,
)
from tickets.sentences import say
from toolkit.errors import NotFound, Rejected
from toolkit.http.concurrency import map_concurrently
from toolkit.speech.people import fold, is_same_number, is_similar

_RETRY_WINDOW = timedelta(days=1)  # in which the earlier try of a call has been
_CONCURRENCY = 4  # searches at a time for one call
_FULL_PAGE = {"per_page": str(MAX_BATCH)}
_GONE = "That user has been deleted."


class ZendeskPeople:
    """The users and organizations of one account."""

    def __init__(self, client: ZendeskClient) -> None:
        self._client = client

    async def get(self, ids: Sequence[str]) -> list[User]:
        """Return the users who exist, in the order of `ids`; deleted ones are gone."""
        return [to_user(each) for each in await self.get_records(payloads.to_numbers(ids))]

    async def get_records(self, ids: Sequence[int]) -> list[UserRecord]:
        """Return the users who exist as Zendesk's records, in the order of `ids`.

        Zendesk returns deleted users, too.
        """
        if not ids:
            return []

        def work(zenpy: Any, _: Any) -> object:
            return take(zenpy.users(ids=ids), MAX_BATCH)

        if len(ids) == 1:
            records = (await self._client.run(work, SingleUserRecords)).root
        else:
            records = (await self._client.run(work, UserRecords)).root
        by_id = {each.id: each for each in records}
        return [by_id[each] for each in ids if each in by_id]

    async def search(
        self,
        text: str | None,
        *,
        phone: str | None = None,
        email: str | None = None,
        limit: int = 20,
    ) -> UserPage:
        """Return users with a similar name, or that number or address; without any, all users."""
        if email is not None or phone is not None or text is not None:
            similar = await self._find_similar(text, phone, email)
            return UserPage(users=tuple(to_user(each) for each in similar))
        size = min(limit + 1, MAX_BATCH)
        records = await self._client.run(
            lambda zenpy, _: take(zenpy.users(cursor_pagination=size), size), UserRecords
        )
        users = tuple(to_user(each) for each in records.root if not each.is_gone)
        return UserPage(users=users[:limit], more=records.count > limit)

    async def create(self, draft: UserDraft) -> str:
        """Add a user and return the id; Zendesk refuses a second user with an address."""
        body = payloads.new_user(draft, await self._find_organization(draft))
        return await self._write(lambda zenpy, models: zenpy.users.create(models.User(**body)))

    async def find_lost_create(self, draft: UserDraft) -> str | None:
        """Return the user whom an earlier try has added, if this is a retry.

        Zendesk's search finds a new user only minutes later. Until then an e-mail address keeps
        Zendesk from adding a user twice; without one the outcome stays unknown.
        """
        if not self._client.call.is_retry:
            return None
        found = await self._find_similar(draft.name, draft.phone, draft.email)
        since = now() - _RETRY_WINDOW
        recent = [each for each in found if each.created_at and each.created_at > since]
        same = [each for each in recent if _matches(each, draft)]
        if not same and draft.email is None:
            self._client.call.refuse_if_retry("Zendesk")
        return str(same[0].id) if same else None

    async def update(self, drafts: Sequence[UserDraft]) -> BatchOutcome:
        """Change users: a single one directly, many in a job without those who are deleted.

        A new e-mail address is added to those that the user has.
        """
        if len(drafts) == 1:
            (draft,) = drafts
            body = payloads.user_change(draft, await self._find_organization(draft))
            user_id = await self._write(
                lambda zenpy, models: zenpy.users.update(models.User(**body))
            )
            return BatchOutcome(done=(user_id,))
        organizations = {
            draft.id: await self._find_organization(draft) for draft in drafts if draft.organization
        }
        by_id = {draft.id or "": draft for draft in drafts}
        gone = [each.id for each in await self.get([*by_id]) if each.gone]
        bodies, refused = payloads.build_each(
            lambda draft: payloads.user_change(draft, organizations.get(draft.id)),
            {id: draft for id, draft in by_id.items() if id not in gone},
        )
        return await self._client.run_job(
            lambda zenpy, models: zenpy.users.update(
                [models.User(**each) for each in bodies.values()]
            ),
            [*bodies],
            (*refused, *(Refusal(record=each, reason=_GONE) for each in gone)),
        )

    async def upsert(self, drafts: Sequence[UserDraft]) -> BatchOutcome:
        """Change the users who exist and add the others.

        Zendesk compares e-mail addresses; users without one are searched for by their numbers.
        """
        by_phone = [draft for draft in drafts if draft.email is None and draft.phone is not None]
        found = await map_concurrently(
            lambda each: self._find_by_phone(each.name, each.phone), by_phone, limit=_CONCURRENCY
        )
        known = {each: user.id for each, user in zip(by_phone, found, strict=True) if user}
        existing = [
            draft.model_copy(update={"id": str(known[draft])}) for draft in drafts if draft in known
        ]
        others = [(n, draft) for n, draft in enumerate(drafts, start=1) if draft not in known]
        updated = await self.update(existing) if existing else BatchOutcome()
        upserted = await self._upsert_by_email(others) if others else BatchOutcome()
        return BatchOutcome(
            done=(*updated.done, *upserted.done),
            refused=(*updated.refused, *upserted.refused),
            job=updated.job or upserted.job,
        )

    async def delete(self, user_id: str) -> None:
        """Delete a user."""
        number = payloads.to_number(user_id, "user")
        await self._client.run(
            lambda zenpy, models: zenpy.users.delete(models.User(id=number)),
            EmptyRecord,
            writes=True,
        )

    async def get_organization(self, organization_id: str) -> Organization | None:
        """Return an organization; None if it does not exist."""
        try:
            number = payloads.to_number(organization_id, "organization")
            record = await self._client.run(
                lambda zenpy, _: zenpy.organizations(id=number), OrganizationRecord
            )
        except NotFound:
            return None
        return to_organization(record)

    async def find_requesters(self, drafts: Sequence[TicketDraft]) -> list[int | None]:
        """Return the requester of each ticket whose draft has no id or e-mail address of theirs.

        A user who is not found by name and number is added; without either it is None.
        """
        keys = {_requester_key(draft): None for draft in drafts}
        found = await map_concurrently(
            lambda key: self._find_requester(*key), [*keys], limit=_CONCURRENCY
        )
        ids = dict(zip(keys, found, strict=True))
        return [ids[_requester_key(draft)] for draft in drafts]

    async def _find_requester(self, name: str | None, phone: str | None) -> int | None:
        known = await self._find_by_phone(name, phone) if phone else None
        if known is not None:
            return known.id
        if name is None and phone is None:
            return None
        return int(await self.create(UserDraft(name=name or phone, phone=phone)))

    async def _find_by_phone(self, name: str | None, phone: str | None) -> UserRecord | None:
        """Return the user who has a number, and a name similar to `name` if that is set."""
        draft = UserDraft(phone=phone)
        for each in await self._find_similar(None, phone, None):
            if _matches(each, draft) and (name is None or is_similar(name, each.name or "")):
                return each
        return None

    async def _find_similar(
        self, name: str | None, phone: str | None, email: str | None
    ) -> list[UserRecord]:
        if email is not None:
            queries = search.email_queries(email)
        elif phone is not None:
            queries = search.phone_queries(phone)
        else:
            queries = search.name_queries(name or "")
        found: list[UserRecord] = []
        for query in queries:
            found = await self._search(query)
            if name is None or any(is_similar(name, each.name or "") for each in found):
                break
        return found

    async def _search(self, query: str) -> list[UserRecord]:
        records = await self._client.run(
            lambda zenpy, _: take(zenpy.users.search(query=query), MAX_BATCH),
            UserRecords,
            query=_FULL_PAGE,
        )
        return [each for each in records.root if not each.is_gone]

    async def _upsert_by_email(self, drafts: Sequence[tuple[int, UserDraft]]) -> BatchOutcome:
        """Change or add users; each draft comes with its position."""
        bodies = [
            payloads.new_user(draft, await self._find_organization(draft)) for _, draft in drafts
        ]
        if len(bodies) == 1:
            (body,) = bodies
            user_id = await self._write(
                lambda zenpy, models: zenpy.users.create_or_update(models.User(**body))
            )
            return BatchOutcome(done=(user_id,))
        return await self._client.run_job(
            lambda zenpy, models: zenpy.users.create_or_update(
                [models.User(**body) for body in bodies]
            ),
            [str(place) for place, _ in drafts],
            created=True,
        )

    async def _write(self, work: Work) -> str:
        return str((await self._client.run(work, UserRecord, writes=True)).id)

    async def _find_organization(self, draft: UserDraft) -> int | None:
        """Return the id of a draft's organization, which is an id or a name.

        Raises:
            Rejected: there is no organization of that name.
        """
        organization = draft.organization
        if organization is None:
            return None
        if numbers := payloads.to_numbers([organization]):
            return numbers[0]
        page = await self._client.get(
            ("organizations", "search"), OrganizationPage, {"name": organization}
        )
        for each in page.organizations:
            if each.name.casefold() == organization.casefold():
                return each.id
        raise Rejected(
            "Zendesk has no organization of that name.",
            say=say("no_such_organization"),
            next="Call again without it, or with its id.",
        )


def _requester_key(draft: TicketDraft) -> tuple[str | None, str | None]:
    """Return the name and the number that the requester is searched for by."""
    if draft.requester or draft.requester_email:
        return None, None
    return draft.requester_name, draft.requester_phone


def _matches(user: UserRecord, draft: UserDraft) -> bool:
    """Return whether a user has the draft's name, if that is set, and its address or number."""
    if draft.name is not None and fold(draft.name) != fold(user.name or ""):
        return False
    if draft.email is not None:
        return (user.email or "").casefold() == draft.email.casefold()
    return draft.phone is None or (
        user.phone is not None and is_same_number(draft.phone, user.phone)
    )
