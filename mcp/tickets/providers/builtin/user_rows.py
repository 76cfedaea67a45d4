"""Reads and writes rows of users and organizations, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from config.columns import now
from tickets.provider import UserDraft
from tickets.providers.builtin.mapping import to_uuid
from tickets.providers.builtin.search import indexed_words, match_all, match_any, query_words
from tickets.providers.builtin.tables import Ticket, TicketComment, TicketOrganization, TicketUser
from tickets.sentences import say
from toolkit.errors import Conflict, NotFound, Rejected
from toolkit.speech.people import is_same_number, significant_digits, similar_prefixes, similarity

_MAX_COMPARED = 2000  # names that are compared with one that may have been misheard


@dataclass(frozen=True)
class UserRows:
    """One business's users and organizations, in one transaction."""

    session: AsyncSession
    business_id: UUID

    async def get_many(self, ids: Sequence[str]) -> list[TicketUser]:
        """Return the users who exist, in the order of `ids`."""
        wanted = [uuid for id in ids if (uuid := to_uuid(id))]
        statement = select(TicketUser).where(col(TicketUser.id).in_(wanted))
        rows = {row.id: row for row in (await self.session.execute(statement)).scalars()}
        return [rows[each] for each in wanted if each in rows]

    async def get(self, id: str) -> TicketUser:
        """Return a user.

        Raises:
            NotFound: they do not exist.
        """
        found = await self.get_many([id])
        if not found:
            raise NotFound("There is no such user.")
        return found[0]

    async def get_agent(self, id: str) -> TicketUser:
        """Return a user whom tickets can be assigned to.

        Raises:
            Rejected: they do not exist, or are no agent.
        """
        found = await self.get_many([id])
        if not found or found[0].role != "agent":
            raise Rejected("There is no such agent.")
        return found[0]

    async def list_by_name(self, limit: int) -> Sequence[TicketUser]:
        """Return users, sorted by name."""
        statement = select(TicketUser).order_by(col(TicketUser.name), col(TicketUser.id))
        return (await self.session.execute(statement.limit(limit))).scalars().all()

    async def find_by_email(self, email: str) -> TicketUser | None:
        """Return the user who has an e-mail address."""
        statement = select(TicketUser).where(col(TicketUser.email) == email.lower())
        return (await self.session.execute(statement)).scalar_one_or_none()

    async def find_by_phone(self, phone: str) -> list[TicketUser]:
        """Return the users who have a phone number."""
        statement = (
            select(TicketUser)
            .where(col(TicketUser.phone_digits) == significant_digits(phone))
            .order_by(col(TicketUser.created_at))
        )
        rows = (await self.session.execute(statement)).scalars()
        return [row for row in rows if row.phone and is_same_number(row.phone, phone)]

    async def find_by_contact(self, email: str | None, phone: str | None) -> TicketUser | None:
        """Return the user with an e-mail address, else one with the phone number.

        A user who has the phone number and another e-mail address does not count: people share
        phones.
        """
        if email and (found := await self.find_by_email(email)):
            return found
        users = await self.find_by_phone(phone) if phone else []
        return next((row for row in users if not (email and row.email)), None)

    async def search_by_name(self, name: str, limit: int) -> list[TicketUser]:
        """Return users whose names have these words, then users whose names sound like them."""
        words = query_words(name)
        if not words:
            return []
        exact = select(TicketUser).where(col(TicketUser.words).bool_op("@@")(match_all(words)))
        found = [*(await self.session.execute(exact.limit(limit))).scalars()]
        if len(found) < limit:
            ids = {row.id for row in found}
            similar = await self._search_by_sound(name, words, limit)
            found += [row for row in similar if row.id not in ids]
        return found[:limit]

    async def _search_by_sound(
        self, name: str, words: Sequence[str], limit: int
    ) -> Sequence[TicketUser]:
        statement = (
            select(col(TicketUser.id), col(TicketUser.name))
            .where(col(TicketUser.words).bool_op("@@")(match_any(similar_prefixes(words, 1))))
            .order_by(col(TicketUser.updated_at).desc())
            .limit(_MAX_COMPARED)
        )
        names = {row.id: row.name for row in await self.session.execute(statement)}
        best = sorted(names, key=lambda id: similarity(name, names[id]), reverse=True)[:limit]
        return await self.get_many([str(id) for id in best])

    async def find_or_add(
        self, name: str | None, email: str | None, phone: str | None
    ) -> UUID | None:
        """Return the user with that address or number, or a new one; None if nothing is known.

        A user who is found gets the address or the number that they lack.
        """
        if not (name or email or phone):
            return None
        found = await self.find_by_contact(email, phone)
        if found is None:
            return (await self.add(UserDraft(name=name, email=email, phone=phone))).id
        unknown = UserDraft(
            email=None if found.email else email, phone=None if found.phone else phone
        )
        if unknown != UserDraft():
            await self.change(found, unknown)
        return found.id

    async def add(self, draft: UserDraft, key: str | None = None) -> TicketUser:
        """Add a user.

        Raises:
            Conflict: another user has the e-mail address.
        """
        if draft.email and await self.find_by_email(draft.email):
            raise _email_conflict()
        name = draft.name or draft.email or draft.phone or ""
        row = TicketUser(
            id=uuid4(),
            business_id=self.business_id,
            name=name,
            email=draft.email.lower() if draft.email else None,
            phone=draft.phone,
            phone_digits=significant_digits(draft.phone) if draft.phone else None,
            role="customer",
            available=False,
            organization_id=await self._find_or_add_organization(draft.organization),
            words=indexed_words(name),
            idempotency_key=key,
        )
        self.session.add(row)
        await self.session.flush()
        return row

    async def change(self, row: TicketUser, draft: UserDraft) -> None:
        """Change the values of a user that a draft has.

        Raises:
            Conflict: another user has the e-mail address.
        """
        if draft.email and draft.email.lower() != row.email:
            if await self.find_by_email(draft.email):
                raise _email_conflict()
            row.email = draft.email.lower()
        if draft.name:
            row.name, row.words = draft.name, indexed_words(draft.name)
        if draft.phone:
            row.phone, row.phone_digits = draft.phone, significant_digits(draft.phone)
        if draft.organization:
            row.organization_id = await self._find_or_add_organization(draft.organization)
        row.updated_at = now()
        await self.session.flush()

    async def delete(self, row: TicketUser) -> None:
        """Delete a user; their tickets and comments stay."""
        for column in (col(Ticket.requester_id), col(Ticket.assignee_id)):
            await self.session.execute(
                update(Ticket).where(column == row.id).values({column: None})
            )
        copied = col(Ticket.copied)
        await self.session.execute(
            update(Ticket)
            .where(copied.contains([str(row.id)]))
            .values({copied: copied.op("-")(str(row.id))})
        )
        author = col(TicketComment.author_id)
        await self.session.execute(
            update(TicketComment).where(author == row.id).values({author: None})
        )
        await self.session.execute(delete(TicketUser).where(col(TicketUser.id) == row.id))

    async def get_organization(self, id: str) -> TicketOrganization | None:
        """Return an organization; None if it does not exist."""
        uuid = to_uuid(id)
        return await self.session.get(TicketOrganization, uuid) if uuid else None

    async def _find_or_add_organization(self, id_or_name: str | None) -> UUID | None:
        """Return an organization by id or name; one with a new name is added."""
        if not id_or_name:
            return None
        if to_uuid(id_or_name):
            found = await self.get_organization(id_or_name)
            if found is None:
                raise Rejected("There is no such organization.")
            return found.id
        same_name = func.lower(col(TicketOrganization.name)) == id_or_name.lower()
        statement = select(TicketOrganization).where(same_name).limit(1)
        row = (await self.session.execute(statement)).scalar_one_or_none()
        if row is None:
            row = TicketOrganization(id=uuid4(), business_id=self.business_id, name=id_or_name)
            self.session.add(row)
            await self.session.flush()
        return row.id


def _email_conflict() -> Conflict:
    return Conflict(
        "There is a user with that e-mail address.",
        say=say("email_taken"),
        next="Search for the user by the address, or ask the caller for another one.",
    )
