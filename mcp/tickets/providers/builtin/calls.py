"""The builtin provider's log of phone calls, and which agents can take one."""

from uuid import uuid4

from sqlalchemy import select
from sqlmodel import col

from tickets.provider import Availability, CallLog
from tickets.providers.builtin.mapping import to_uuid
from tickets.providers.builtin.tables import TicketCall, TicketUser
from tickets.providers.builtin.ticket_rows import TicketRows
from tickets.providers.builtin.transactions import find_by_key
from toolkit.tenancy import ToolCall


class BuiltinCalls:
    """The calls of one business."""

    def __init__(self, call: ToolCall) -> None:
        self._call = call

    async def log(self, log: CallLog) -> str:
        """Store a call and return the id of the entry."""
        key, business_id = self._call.idempotency_key, self._call.business_id
        async with self._call.transaction() as session:
            rows = TicketRows(session, business_id)
            ticket = await rows.lock(log.ticket) if log.ticket else None
            if added := await find_by_key(session, TicketCall, key):
                return added
            row = TicketCall(
                id=uuid4(),
                business_id=business_id,
                ticket_id=ticket.id if ticket else None,
                idempotency_key=key,
                **log.model_dump(exclude={"ticket"}),
            )
            session.add(row)
            return str(row.id)

    async def availability(self, agent: str | None) -> list[Availability]:
        """Return whether an agent is available; for None, the agents who are."""
        query = select(TicketUser).where(col(TicketUser.role) == "agent")
        if agent is None:
            query = query.where(col(TicketUser.available))
        else:
            query = query.where(col(TicketUser.id) == to_uuid(agent))
        async with self._call.transaction() as session:
            rows = (await session.execute(query.order_by(col(TicketUser.name)))).scalars().all()
        return [
            Availability(agent=str(row.id), name=row.name, available=row.available) for row in rows
        ]
