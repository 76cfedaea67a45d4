"""The users and organizations of the builtin desk."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from config.columns import now
from tickets.provider import UserDraft
from tickets.providers.builtin.mapping import all_of, any_of, asked, uuid_of, words_of
from tickets.providers.builtin.tables import Ticket, TicketComment, TicketOrganization, TicketUser
from toolkit.errors import Conflict, NotFound, Rejected
from toolkit.speech.people import likeness, same_number, significant_digits, sounds_like

NO_SUCH_USER = "There is no such user."
_HEARD = 2000  # names that are compared with one that was heard


@dataclass(frozen=True)
class People:
    """One business's users, in one transaction."""

    session: AsyncSession
    business_id: UUID

    async def some(self, ids: Sequence[str]) -> list[TicketUser]:
        """Return those who exist, in the order of `ids`."""
        wanted = [found for each in ids if (found := uuid_of(each))]
        statement = select(TicketUser).where(col(TicketUser.id).in_(wanted))
        rows = {row.id: row for row in (await self.session.execute(statement)).scalars()}
        return [rows[each] for each in wanted if each in rows]

    async def one(self, id: str) -> TicketUser:
        """Return a user.

        Raises:
            NotFound: there is none.
        """
        found = await self.some([id])
        if not found:
            raise NotFound(NO_SUCH_USER)
        return found[0]

    async def agent(self, id: str) -> TicketUser:
        """Return a user whom tickets can be assigned to.

        Raises:
            Rejected: there is none.
        """
        found = await self.some([id])
        if not found or found[0].role != "agent":
            raise Rejected("There is no such agent.")
        return found[0]

    async def listed(self, limit: int) -> Sequence[TicketUser]:
        """Return users by name."""
        statement = select(TicketUser).order_by(col(TicketUser.name), col(TicketUser.id))
        return (await self.session.execute(statement.limit(limit))).scalars().all()

    async def with_email(self, email: str) -> TicketUser | None:
        """Return the user who has an address."""
        statement = select(TicketUser).where(col(TicketUser.email) == email.lower())
        return (await self.session.execute(statement)).scalar_one_or_none()

    async def with_phone(self, phone: str) -> list[TicketUser]:
        """Return the users who have a phone number."""
        statement = (
            select(TicketUser)
            .where(col(TicketUser.phone_digits) == significant_digits(phone))
            .order_by(col(TicketUser.created_at))
        )
        rows = (await self.session.execute(statement)).scalars()
        return [row for row in rows if row.phone and same_number(row.phone, phone)]

    async def addressed(self, email: str | None, phone: str | None) -> TicketUser | None:
        """Return who has an e-mail address, or else that phone number and no other address."""
        if email and (found := await self.with_email(email)):
            return found
        known = await self.with_phone(phone) if phone else []
        return next((row for row in known if not (email and row.email)), None)

    async def called(self, name: str, limit: int) -> list[TicketUser]:
        """Return users whose name begins like that, then those who may have been heard so."""
        words = asked(name)
        if not words:
            return []
        written = select(TicketUser).where(col(TicketUser.words).bool_op("@@")(all_of(words)))
        found = [*(await self.session.execute(written.limit(limit))).scalars()]
        if len(found) < limit:
            known = {row.id for row in found}
            heard = await self._sounding(name, words, limit)
            found += [row for row in heard if row.id not in known]
        return found[:limit]

    async def _sounding(self, name: str, words: Sequence[str], limit: int) -> Sequence[TicketUser]:
        statement = (
            select(col(TicketUser.id), col(TicketUser.name))
            .where(col(TicketUser.words).bool_op("@@")(any_of(sounds_like(words, 1))))
            .order_by(col(TicketUser.updated_at).desc())
            .limit(_HEARD)
        )
        names = {row.id: row.name for row in await self.session.execute(statement)}
        best = sorted(names, key=lambda each: likeness(name, names[each]), reverse=True)[:limit]
        return await self.some([str(each) for each in best])

    async def requester(
        self, name: str | None, email: str | None, phone: str | None
    ) -> UUID | None:
        """Return who a ticket is of: somebody who has that address, or a new user."""
        if not (name or email or phone):
            return None
        found = await self.addressed(email, phone)
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
            Conflict: there is one with that address.
        """
        if draft.email and await self.with_email(draft.email):
            raise _taken()
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
            organization_id=await self._organization(draft.organization),
            words=words_of(name),
            idempotency_key=key,
        )
        self.session.add(row)
        await self.session.flush()
        return row

    async def change(self, row: TicketUser, draft: UserDraft) -> None:
        """Change what a draft says of a user.

        Raises:
            Conflict: somebody else has that address.
        """
        if draft.email and draft.email.lower() != row.email:
            if await self.with_email(draft.email):
                raise _taken()
            row.email = draft.email.lower()
        if draft.name:
            row.name, row.words = draft.name, words_of(draft.name)
        if draft.phone:
            row.phone, row.phone_digits = draft.phone, significant_digits(draft.phone)
        if draft.organization:
            row.organization_id = await self._organization(draft.organization)
        row.updated_at = now()
        await self.session.flush()

    async def remove(self, row: TicketUser) -> None:
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

    async def organization(self, id: str) -> TicketOrganization | None:
        """Return an organization."""
        found = uuid_of(id)
        return await self.session.get(TicketOrganization, found) if found else None

    async def _organization(self, said: str | None) -> UUID | None:
        """Return the organization of that id or name; a name that is new is a new one."""
        if not said:
            return None
        if uuid_of(said):
            found = await self.organization(said)
            if found is None:
                raise Rejected("There is no such organization.")
            return found.id
        called = func.lower(col(TicketOrganization.name)) == said.lower()
        statement = select(TicketOrganization).where(called).limit(1)
        row = (await self.session.execute(statement)).scalar_one_or_none()
        if row is None:
            row = TicketOrganization(id=uuid4(), business_id=self.business_id, name=said)
            self.session.add(row)
            await self.session.flush()
        return row.id


def _taken() -> Conflict:
    return Conflict(
        "There is a user with that e-mail address.",
        say="Somebody has that e-mail address already.",
        next="Search for the user by the address, or ask the caller for another one.",
    )
