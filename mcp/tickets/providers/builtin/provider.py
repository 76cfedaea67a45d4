"""The builtin provider, which every business has: tickets and people are rows in PostgreSQL."""

from collections.abc import Mapping
from typing import ClassVar

from sqlalchemy import select
from sqlmodel import col

from config.security.vault import Account
from tickets.providers.builtin.calls import BuiltinCalls
from tickets.providers.builtin.comments import BuiltinComments
from tickets.providers.builtin.people import BuiltinPeople
from tickets.providers.builtin.tables import Ticket
from tickets.providers.builtin.tickets import BuiltinTickets
from toolkit.tenancy import Credentials, ToolCall


class Builtin:
    """A business's tickets in our own database."""

    credentials: ClassVar[type[Credentials]] = Credentials
    unsupported: ClassVar[Mapping[str, str]] = {}

    def __init__(self, account: Account, call: ToolCall) -> None:
        self._call = call
        self.tickets = BuiltinTickets(call)
        self.comments = BuiltinComments(call)
        self.people = BuiltinPeople(call)
        self.calls = BuiltinCalls(call)

    async def check(self) -> None:
        """Read one ticket."""
        async with self._call.transaction() as session:
            await session.execute(select(col(Ticket.id)).limit(1))
