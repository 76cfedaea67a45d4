"""A tenant's way to a played ticket desk, through the server."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID, uuid4

from sqlalchemy import text

from config.database import Database
from config.tables import BusinessIntegration
from config.vault import sealed
from tests.conftest import Tenant
from tests.servers import KEYRING, Caller, Servers
from tests.tickets.played import Desk, Seed
from toolkit.breaker import Breaker, Breakers
from toolkit.kept import Kept

T = TypeVar("T")


class Patient(Breakers):
    """Breakers that never stay open: one fault after the other is tried."""

    def of(self, business_id: UUID, provider: str) -> Breaker:
        """Return a new one."""
        return Breaker()


class Forgetful(Kept):
    """Keeps nothing: every call asks the vendor, so that a fault is met."""

    async def get(self, key: Hashable, seconds: float, fetch: Callable[[], Awaitable[T]]) -> T:
        """Ask."""
        return await fetch()


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
        query = text("update idempotent_call set created_at = created_at - interval '20 seconds'")
        async with self.database.business(self.tenant.business_id) as session:
            await session.execute(query)


async def connect(
    database: Database,
    tenant: Tenant,
    provider: str,
    secrets: dict[str, str],
    settings: dict[str, Any] | None = None,
) -> BusinessIntegration:
    """Store a tenant's account at a vendor."""
    row = BusinessIntegration(
        business_id=tenant.business_id,
        name=provider,
        server="tickets",
        integration_type=provider,
        credentials={},
        settings=settings or {},
    )
    row.credentials = sealed(row, KEYRING, secrets, secrets)
    async with database.business(tenant.business_id) as session:
        session.add(row)
    return row
