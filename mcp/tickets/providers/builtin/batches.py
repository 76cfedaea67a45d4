"""Many records in one transaction, and what an earlier try of a call has made."""

from collections.abc import Awaitable, Callable, Mapping

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tickets.provider import Batch, Refused
from tickets.providers.builtin.tables import TicketCall, TicketComment, TicketUser
from toolkit.errors import ToolFailure

Keyed = type[TicketUser] | type[TicketComment] | type[TicketCall]


async def each_of(session: AsyncSession, work: Mapping[str, Callable[[], Awaitable[str]]]) -> Batch:
    """Do each of these, and say which were refused; they do not undo each other.

    Raises:
        ToolFailure: there was one, and it was refused.
    """
    done, refused = list[str](), list[Refused]()
    for which, one in work.items():
        try:
            async with session.begin_nested():
                done.append(await one())
        except ToolFailure as failure:
            if len(work) == 1:
                raise
            refused.append(Refused(which=which, reason=failure.happened))
    return Batch(done=tuple(done), refused=tuple(refused))


async def made_before(session: AsyncSession, table: Keyed, key: str | None) -> str | None:
    """Return the id of the row that this call has added already, if there is one."""
    if key is None:
        return None
    mine = select(col(table.id)).where(col(table.idempotency_key) == key)
    id = (await session.execute(mine)).scalar()
    return str(id) if id else None
