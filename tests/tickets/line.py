"""A tenant's way to a played ticket desk, through the server."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from config.database import Database
from tests.conftest import Tenant
from tests.support.accounts import lose_time
from tests.support.servers import Caller, Servers
from tests.tickets.double import Desk, Seed


@dataclass(frozen=True)
class Line:
    """One tenant's way to the vendor, through the server."""

    servers: Servers
    tenant: Tenant
    vendor: Desk
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

    async def held(self) -> list[dict[str, Any]]:
        """Return the vendor's tickets."""
        return self.vendor.held()

    async def said(self, ticket: str) -> list[dict[str, Any]]:
        """Return the vendor's comments of a ticket."""
        return self.vendor.said(ticket)

    async def people(self) -> list[dict[str, Any]]:
        """Return the vendor's users."""
        return self.vendor.people()

    async def state(self) -> Any:
        """Return everything that could have changed."""
        tickets = await self.held()
        return tickets, [await self.said(each["id"]) for each in tickets], await self.people()

    async def lose_time(self) -> None:
        """Let the time pass in which an earlier try might still be at work."""
        await lose_time(self.database, self.tenant)
