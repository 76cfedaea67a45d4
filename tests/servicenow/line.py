"""A tenant's line to a played ServiceNow instance, through the server."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from config.database import Database
from tests.conftest import Tenant
from tests.servicenow.double import CANARY, ServiceNow
from tests.support.accounts import lose_time
from tests.support.servers import Caller, Servers

APPLICATION: Mapping[str, str] = {
    "instance": "dev00000",
    "client_id": f"id-{CANARY}",
    "client_secret": f"secret-{CANARY}",
    "refresh_token": f"rt-{CANARY}",
    "access_token": f"at-{CANARY}",
}


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
        await lose_time(self.database, self.tenant)
