"""Transactions of the builtin provider: bulk writes, and repeats of a call."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tickets.provider import BatchOutcome, Refusal
from tickets.providers.builtin.tables import TicketCall, TicketComment, TicketUser
from toolkit.errors import ToolFailure
from toolkit.tenancy import ToolCall

KeyedTable = type[TicketUser] | type[TicketComment] | type[TicketCall]


@asynccontextmanager
async def exclusive_transaction(call: ToolCall) -> AsyncGenerator[AsyncSession]:
    """Open a transaction that waits for, and then blocks, its like of the same business.

    Whatever adds a ticket or a user, or changes a user, takes one: addresses are compared before
    they are written.
    """
    lock = func.hashtextextended(f"tickets:{call.business_id}", 0)
    async with call.transaction() as session:
        await session.execute(select(func.pg_advisory_xact_lock(lock)))
        yield session


async def run_each(
    session: AsyncSession, work: Mapping[str, Callable[[], Awaitable[str]]]
) -> BatchOutcome:
    """Run each piece of work in a savepoint of its own; one that fails does not undo the others.

    The keys of `work` name its records, and its results are their ids.

    Raises:
        ToolFailure: there is one piece of work, and it fails.
    """
    done, refused = list[str](), list[Refusal]()
    for record, write in work.items():
        try:
            async with session.begin_nested():
                done.append(await write())
        except ToolFailure as failure:
            if len(work) == 1:
                raise
            refused.append(Refusal(record=record, reason=failure.happened))
    return BatchOutcome(done=tuple(done), refused=tuple(refused))


async def find_by_key(session: AsyncSession, table: KeyedTable, key: str | None) -> str | None:
    """Return the id of the row with an idempotency key: one that this call has added before."""
    if key is None:
        return None
    query = select(col(table.id)).where(col(table.idempotency_key) == key)
    id = (await session.execute(query)).scalar()
    return str(id) if id else None
