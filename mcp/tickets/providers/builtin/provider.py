"""The ticket desk that every business has: its tickets and its people are rows in PostgreSQL."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import ClassVar
from uuid import uuid4

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

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
from tickets.providers.builtin.batches import each_of, made_before
from tickets.providers.builtin.mapping import (
    comment_of,
    organization_of,
    ticket_of,
    user_of,
    uuid_of,
)
from tickets.providers.builtin.people import People
from tickets.providers.builtin.tables import Ticket as TicketRow
from tickets.providers.builtin.tables import TicketCall, TicketComment, TicketUser
from tickets.providers.builtin.tickets import NO_SUCH_TICKET, Tickets
from toolkit.errors import NotFound, Rejected
from toolkit.tenancy import Credentials, ToolCall


class Builtin:
    """A business's own desk."""

    credentials: ClassVar[type[Credentials]] = Credentials
    unsupported: ClassVar[Mapping[str, str]] = {}

    def __init__(self, account: Account, call: ToolCall) -> None:
        self._call = call
        self._once = call.idempotency_key

    async def check(self) -> None:
        """See that the tickets can be read."""
        async with self._call.transaction() as session:
            await session.execute(select(col(TicketRow.id)).limit(1))

    async def tickets(self, ids: Sequence[str]) -> list[Ticket]:
        """Return those of the tickets that exist, in the order of `ids`."""
        async with self._call.transaction() as session:
            return [ticket_of(*each) for each in await self._tickets(session).some(ids)]

    async def find(self, wanted: Wanted) -> TicketPage:
        """Return tickets that fulfil the conditions."""
        async with self._call.transaction() as session:
            found = await self._tickets(session).find(wanted)
        shown = found[: wanted.limit]
        return TicketPage(
            tickets=tuple(ticket_of(*each) for each in shown), more=len(found) > len(shown)
        )

    async def create(self, drafts: Sequence[Draft]) -> Batch:
        """Open tickets."""
        async with self._alone() as session:
            if before := await self._opened(session):
                return before
            tickets = self._tickets(session)

            async def opened(position: int, draft: Draft) -> str:
                return str((await tickets.open(draft, self._key(position))).number)

            work = {
                str(place): partial(opened, place, each) for place, each in enumerate(drafts, 1)
            }
            return await each_of(session, work)

    async def find_lost_create(self, drafts: Sequence[Draft]) -> Batch | None:
        """Return what the first attempt of this very call has opened, if there was one."""
        async with self._call.transaction() as session:
            return await self._opened(session)

    async def update(self, changes: Sequence[Change]) -> Batch:
        """Change tickets."""
        async with self._call.transaction() as session:
            tickets = self._tickets(session)
            held = await tickets.held([change.id for change in changes])

            async def changed(change: Change) -> str:
                await tickets.change(_there(held, change.id), change)
                return change.id

            return await each_of(session, {each.id: partial(changed, each) for each in changes})

    async def delete(self, ids: Sequence[str]) -> Batch:
        """Delete tickets."""
        async with self._call.transaction() as session:
            held = await self._tickets(session).held(ids)

            async def deleted(id: str) -> str:
                await session.delete(_there(held, id))
                return id

            return await each_of(session, {id: partial(deleted, id) for id in ids})

    async def merge(self, into: str, ids: Sequence[str], comment: str | None) -> Batch:
        """Close tickets as parts of another, with a comment in it that says so."""
        async with self._call.transaction() as session:
            tickets = self._tickets(session)
            held = await tickets.held([into, *ids])
            target = _there(held, into)
            if target.merged_into is not None:
                raise Rejected(f"It is part of ticket {target.merged_into} itself.")
            new = [id for id in ids if id in held and held[id].merged_into != target.number]

            async def merged(id: str) -> str:
                source = _there(held, id)
                if id in new:
                    await tickets.merge(target, source)
                return id

            batch = await each_of(session, {id: partial(merged, id) for id in ids})
            if new:
                parts = f"Tickets that are part of this one now: {', '.join(new)}."
                await tickets.say(target, f"{comment}\n{parts}" if comment else parts, public=False)
            return batch

    async def comments(self, ticket_id: str) -> list[Comment] | None:
        """Return a ticket's comments, oldest first; None where there is no such ticket."""
        async with self._call.transaction() as session:
            tickets = self._tickets(session)
            found = await tickets.some([ticket_id])
            if not found:
                return None
            return [comment_of(*each) for each in await tickets.comments(found[0][0])]

    async def comment(self, ticket_id: str, text: str, *, public: bool) -> str:
        """Add a comment and return its id."""
        async with self._call.transaction() as session:
            tickets = self._tickets(session)
            row = await tickets.one(ticket_id)
            if before := await made_before(session, TicketComment, self._once):
                return before
            said = await tickets.say(row, text, public=public, key=self._once)
            return str(said.id)

    async def find_lost_comment(self, ticket_id: str, text: str) -> str | None:
        """Return the comment that the first attempt of this very call has added."""
        async with self._call.transaction() as session:
            return await made_before(session, TicketComment, self._once)

    async def users(self, ids: Sequence[str]) -> list[User]:
        """Return those of the users who exist, in the order of `ids`."""
        async with self._call.transaction() as session:
            return [user_of(row) for row in await self._people(session).some(ids)]

    async def find_users(
        self,
        text: str | None,
        *,
        phone: str | None = None,
        email: str | None = None,
        limit: int = 20,
    ) -> UserPage:
        """Return users who may be meant, or any where nothing is said."""
        async with self._call.transaction() as session:
            people = self._people(session)
            if email:
                found = [*filter(None, [await people.with_email(email)])]
            elif phone:
                found = await people.with_phone(phone)
            elif text:
                found = await people.called(text, limit + 1)
            else:
                found = [*await people.listed(limit + 1)]
        return UserPage(users=tuple(map(user_of, found[:limit])), more=len(found) > limit)

    async def create_user(self, draft: UserDraft) -> str:
        """Add a user and return the id."""
        async with self._alone() as session:
            if before := await made_before(session, TicketUser, self._once):
                return before
            return str((await self._people(session).add(draft, self._once)).id)

    async def find_lost_user(self, draft: UserDraft) -> str | None:
        """Return the user that the first attempt of this very call has added."""
        async with self._call.transaction() as session:
            return await made_before(session, TicketUser, self._once)

    async def update_users(self, drafts: Sequence[UserDraft]) -> Batch:
        """Change users, each by its id."""
        async with self._alone() as session:
            people = self._people(session)

            async def changed(draft: UserDraft) -> str:
                row = await people.one(draft.id or "")
                await people.change(row, draft)
                return str(row.id)

            return await each_of(
                session, {each.id or "": partial(changed, each) for each in drafts}
            )

    async def upsert_users(self, drafts: Sequence[UserDraft]) -> Batch:
        """Change the users who exist, by their address, and add the others."""
        async with self._alone() as session:
            people = self._people(session)

            async def kept(draft: UserDraft) -> str:
                row = await people.addressed(draft.email, draft.phone)
                if row is None:
                    return str((await people.add(draft)).id)
                await people.change(row, draft)
                return str(row.id)

            work = {str(place): partial(kept, each) for place, each in enumerate(drafts, 1)}
            return await each_of(session, work)

    async def delete_user(self, user_id: str) -> None:
        """Delete a user."""
        async with self._alone() as session:
            people = self._people(session)
            await people.remove(await people.one(user_id))

    async def organization(self, organization_id: str) -> Organization | None:
        """Return an organization."""
        async with self._call.transaction() as session:
            row = await self._people(session).organization(organization_id)
        return organization_of(row) if row else None

    async def log_call(self, log: CallLog) -> str:
        """Write a call down and return the entry's id."""
        async with self._call.transaction() as session:
            ticket = await self._tickets(session).one(log.ticket) if log.ticket else None
            if before := await made_before(session, TicketCall, self._once):
                return before
            row = TicketCall(
                id=uuid4(),
                business_id=self._call.business_id,
                ticket_id=ticket.id if ticket else None,
                idempotency_key=self._once,
                **log.model_dump(exclude={"ticket"}),
            )
            session.add(row)
            return str(row.id)

    async def availability(self, agent: str | None) -> list[Availability]:
        """Return whether an agent, by id, is available; of None, the agents who are."""
        agents = select(TicketUser).where(col(TicketUser.role) == "agent")
        if agent is None:
            agents = agents.where(col(TicketUser.available))
        else:
            agents = agents.where(col(TicketUser.id) == uuid_of(agent))
        async with self._call.transaction() as session:
            rows = (await session.execute(agents.order_by(col(TicketUser.name)))).scalars().all()
        return [
            Availability(agent=str(row.id), name=row.name, available=row.available) for row in rows
        ]

    def _tickets(self, session: AsyncSession) -> Tickets:
        return Tickets(session, self._call.business_id)

    def _people(self, session: AsyncSession) -> People:
        return People(session, self._call.business_id)

    @asynccontextmanager
    async def _alone(self) -> AsyncGenerator[AsyncSession]:
        """Open a transaction in which nobody else adds a user or a ticket of this business."""
        lock = func.hashtextextended(f"tickets:{self._call.business_id}", 0)
        async with self._call.transaction() as session:
            await session.execute(select(func.pg_advisory_xact_lock(lock)))
            yield session

    def _key(self, position: int) -> str | None:
        return f"{self._once}:{position}" if self._once else None

    async def _opened(self, session: AsyncSession) -> Batch | None:
        if self._once is None:
            return None
        mine = col(TicketRow.idempotency_key).startswith(f"{self._once}:", autoescape=True)
        numbers = select(col(TicketRow.number)).where(mine).order_by(col(TicketRow.number))
        found = (await session.execute(numbers)).scalars().all()
        return Batch(done=tuple(str(each) for each in found)) if found else None


def _there(held: Mapping[str, TicketRow], id: str) -> TicketRow:
    if id not in held:
        raise NotFound(NO_SUCH_TICKET)
    return held[id]
