"""The builtin provider's comments of tickets."""

from sqlalchemy.ext.asyncio import AsyncSession

from tickets.provider import Comment
from tickets.providers.builtin.mapping import to_comment
from tickets.providers.builtin.tables import TicketComment
from tickets.providers.builtin.ticket_rows import TicketRows, require_unmerged
from tickets.providers.builtin.transactions import find_by_key
from toolkit.tenancy import ToolCall


class BuiltinComments:
    """The comments of one business's tickets."""

    def __init__(self, call: ToolCall) -> None:
        self._call = call

    async def for_ticket(self, ticket_id: str) -> list[Comment] | None:
        """Return a ticket's comments, oldest first; None if the ticket does not exist."""
        async with self._call.transaction() as session:
            rows = self._rows(session)
            found = await rows.get_many([ticket_id])
            if not found:
                return None
            ticket, _ = found[0]
            return [to_comment(*each) for each in await rows.comments(ticket)]

    async def add(self, ticket_id: str, text: str, *, public: bool) -> str:
        """Add a comment and return its id."""
        key = self._call.idempotency_key
        async with self._call.transaction() as session:
            rows = self._rows(session)
            ticket = await rows.lock(ticket_id)
            if added := await find_by_key(session, TicketComment, key):
                return added
            require_unmerged(ticket)
            return str((await rows.add_comment(ticket, text, public=public, key=key)).id)

    async def find_lost_create(self, ticket_id: str, text: str) -> str | None:
        """Return the comment with this call's idempotency key, if there is one."""
        async with self._call.transaction() as session:
            return await find_by_key(session, TicketComment, self._call.idempotency_key)

    def _rows(self, session: AsyncSession) -> TicketRows:
        return TicketRows(session, self._call.business_id)
