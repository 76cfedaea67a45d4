"""The builtin provider's tickets."""

from collections.abc import Sequence
from functools import partial

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tickets.provider import (
    BatchOutcome,
    Ticket,
    TicketChange,
    TicketDraft,
    TicketPage,
    TicketQuery,
)
from tickets.providers.builtin.mapping import to_ticket
from tickets.providers.builtin.tables import Ticket as TicketRow
from tickets.providers.builtin.ticket_rows import TicketRows, require_row, require_unmerged
from tickets.providers.builtin.transactions import exclusive_transaction, run_each
from toolkit.errors import Rejected
from toolkit.tenancy import ToolCall


class BuiltinTickets:
    """The tickets of one business."""

    def __init__(self, call: ToolCall) -> None:
        self._call = call

    async def get(self, ids: Sequence[str]) -> list[Ticket]:
        """Return the tickets that exist, in the order of `ids`."""
        async with self._call.transaction() as session:
            return [to_ticket(*each) for each in await self._rows(session).get_many(ids)]

    async def search(self, query: TicketQuery) -> TicketPage:
        """Return tickets that match the query."""
        async with self._call.transaction() as session:
            found = await self._rows(session).search(query)
        tickets = tuple(to_ticket(*each) for each in found[: query.limit])
        return TicketPage(tickets=tickets, more=len(found) > len(tickets))

    async def create(self, drafts: Sequence[TicketDraft]) -> BatchOutcome:
        """Create tickets."""
        async with exclusive_transaction(self._call) as session:
            if created := await self._find_created(session):
                return created
            rows = self._rows(session)

            async def create(position: int, draft: TicketDraft) -> str:
                return str((await rows.add(draft, self._key(position))).number)

            work = {str(n): partial(create, n, draft) for n, draft in enumerate(drafts, 1)}
            return await run_each(session, work)

    async def find_lost_create(self, drafts: Sequence[TicketDraft]) -> BatchOutcome | None:
        """Return the tickets with this call's idempotency key, if there are any."""
        async with self._call.transaction() as session:
            return await self._find_created(session)

    async def update(self, changes: Sequence[TicketChange]) -> BatchOutcome:
        """Change tickets."""
        async with self._call.transaction() as session:
            rows = self._rows(session)
            locked = await rows.lock_many([change.id for change in changes])

            async def update(change: TicketChange) -> str:
                row = require_unmerged(require_row(locked, change.id))
                await rows.change(row, change)
                return change.id

            return await run_each(session, {each.id: partial(update, each) for each in changes})

    async def delete(self, ids: Sequence[str]) -> BatchOutcome:
        """Delete tickets."""
        async with self._call.transaction() as session:
            locked = await self._rows(session).lock_many(ids)

            async def delete(id: str) -> str:
                await session.delete(require_row(locked, id))
                return id

            return await run_each(session, {id: partial(delete, id) for id in ids})

    async def merge(self, into: str, ids: Sequence[str], comment: str | None) -> BatchOutcome:
        """Close tickets as parts of another, with an internal comment in it that names them."""
        async with self._call.transaction() as session:
            rows = self._rows(session)
            locked = await rows.lock_many([into, *ids])
            target = require_row(locked, into)
            if target.merged_into is not None:
                raise Rejected(f"It is part of ticket {target.merged_into} itself.")
            new = [id for id in ids if id in locked and locked[id].merged_into != target.number]

            async def merge(id: str) -> str:
                source = require_row(locked, id)
                if id in new:
                    await rows.merge(target, require_unmerged(source))
                return id

            outcome = await run_each(session, {id: partial(merge, id) for id in ids})
            if new:
                parts = f"Tickets that are part of this one now: {', '.join(new)}."
                text = f"{comment}\n{parts}" if comment else parts
                await rows.add_comment(target, text, public=False)
            return outcome

    def _rows(self, session: AsyncSession) -> TicketRows:
        return TicketRows(session, self._call.business_id)

    def _key(self, position: int) -> str | None:
        key = self._call.idempotency_key
        return f"{key}:{position}" if key else None

    async def _find_created(self, session: AsyncSession) -> BatchOutcome | None:
        """Return the tickets that this call has created before; None if there are none."""
        key = self._call.idempotency_key
        if key is None:
            return None
        ours = col(TicketRow.idempotency_key).startswith(f"{key}:", autoescape=True)
        query = select(col(TicketRow.number)).where(ours).order_by(col(TicketRow.number))
        numbers = (await session.execute(query)).scalars().all()
        return BatchOutcome(done=tuple(map(str, numbers))) if numbers else None
