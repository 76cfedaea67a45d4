"""A tenant who is connected to a fake vendor, over the server."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from config.database import Database
from tests.conftest import Tenant
from tests.support.accounts import let_time_pass
from tests.support.servers import Caller, Servers
from tests.tickets.double import Seed, TicketVendor


@dataclass(frozen=True)
class ConnectedTenant:
    """One tenant with an account at the fake vendor, and the server that its clients connect to."""

    servers: Servers
    tenant: Tenant
    vendor: TicketVendor
    database: Database
    seed: Seed

    @asynccontextmanager
    async def caller(self, conversation_id: UUID | None = None) -> AsyncGenerator[Caller]:
        """Open an MCP client in a conversation."""
        claims = self.tenant.claims(conversation_id=conversation_id or uuid4())
        async with self.servers.connect("tickets", claims) as caller:
            yield caller

    @asynccontextmanager
    async def client(self) -> AsyncGenerator[Caller]:
        """Open an MCP client without a conversation: a call is repeated by its key only."""
        async with self.servers.connect("tickets", self.tenant.claims()) as caller:
            yield caller

    async def list_tickets(self) -> list[dict[str, Any]]:
        """Return the vendor's tickets."""
        return self.vendor.list_tickets()

    async def list_comments(self, ticket: str) -> list[dict[str, Any]]:
        """Return the vendor's comments of a ticket."""
        return self.vendor.list_comments(ticket)

    async def list_users(self) -> list[dict[str, Any]]:
        """Return the vendor's users."""
        return self.vendor.list_users()

    async def snapshot(self) -> Any:
        """Return the vendor's tickets, comments and users, to compare them later."""
        tickets = await self.list_tickets()
        return (
            tickets,
            [await self.list_comments(each["id"]) for each in tickets],
            await self.list_users(),
        )

    async def lose_time(self) -> None:
        """Let the time pass in which an earlier try of a call could still be running."""
        await let_time_pass(self.database, self.tenant)
