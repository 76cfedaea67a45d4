"""A tenant's line to a played ServiceNow instance, through the server."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx2
from sqlalchemy import text

from config.database import Database
from config.tables import BusinessIntegration
from config.vault import sealed
from tests.conftest import Tenant
from tests.servers import KEYRING, Caller, Servers
from tests.servicenow.played import CANARY, ServiceNow
from toolkit.breaker import Breaker, Breakers

APPLICATION: Mapping[str, str] = {
    "instance": "dev00000",
    "client_id": f"id-{CANARY}",
    "client_secret": f"secret-{CANARY}",
    "refresh_token": f"rt-{CANARY}",
    "access_token": f"at-{CANARY}",
}


class Fresh(Breakers):
    """Breakers that have seen nothing, so that one fault does not hide the next."""

    def of(self, business_id: UUID, provider: str) -> Breaker:
        return Breaker()


@dataclass(frozen=True)
class Line:
    """One tenant's way to the instance."""

    servers: Servers
    tenant: Tenant
    vendor: ServiceNow
    database: Database

    @asynccontextmanager
    async def caller(
        self, conversation_id: UUID | None = None, **grant: Any
    ) -> AsyncGenerator[Caller]:
        """Open an MCP client in a conversation."""
        claims = self.tenant.claims(conversation_id=conversation_id or uuid4(), **grant)
        async with self.servers.connect("servicenow", claims) as caller:
            yield caller

    async def lose_time(self) -> None:
        """Let the time pass in which an earlier try might still be at work."""
        query = text("update idempotent_call set created_at = created_at - interval '20 seconds'")
        async with self.database.business(self.tenant.business_id) as session:
            await session.execute(query)


async def account(
    database: Database, tenant: Tenant, secrets: Mapping[str, str], **settings: Any
) -> None:
    """Store a tenant's account."""
    row = BusinessIntegration(
        business_id=tenant.business_id,
        name="servicenow",
        server="servicenow",
        integration_type="servicenow",
        credentials={},
        settings=settings,
    )
    row.credentials = sealed(row, KEYRING, dict(secrets), dict(secrets))
    async with database.business(tenant.business_id) as session:
        session.add(row)


class Exchange(httpx2.AsyncBaseTransport):
    """Reaches the instance that is played now: a server for each test would cost more."""

    def __init__(self) -> None:
        self.vendor = ServiceNow()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return await self.vendor.transport().handle_async_request(request)
