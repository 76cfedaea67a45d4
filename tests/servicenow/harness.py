"""A tenant connected to a fake ServiceNow instance, and the server in between."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from config.database import Database
from tests.conftest import Tenant
from tests.servicenow.double import CANARY, ServiceNow
from tests.support.accounts import let_time_pass
from tests.support.servers import Caller, Servers

APPLICATION: Mapping[str, str] = {
    "instance": "dev00000",
    "client_id": f"id-{CANARY}",
    "client_secret": f"secret-{CANARY}",
    "refresh_token": f"rt-{CANARY}",
    "access_token": f"at-{CANARY}",
}


@dataclass(frozen=True)
class ServiceNowHarness:
    """Opens MCP clients of one tenant, and holds the fake instance behind the server."""

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

    async def let_time_pass(self) -> None:
        """Let the time pass in which an earlier attempt might still be running."""
        await let_time_pass(self.database, self.tenant)
