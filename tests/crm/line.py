"""One tenant's way to a played CRM, through the server."""

from abc import abstractmethod
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx2
from sqlalchemy import text

from config.database import Database
from config.tables import BusinessIntegration
from config.vault import sealed
from crm.provider import Kind
from crm.server import SERVER
from tests.conftest import Tenant
from tests.servers import KEYRING, Answer, Caller, Servers
from tests.vendors import Vendor
from toolkit.breaker import Breaker, Breakers

TOOLS: tuple[str, ...] = tuple(SERVER.catalogue()["tools"])


class Crm(Vendor):
    """A played CRM with a memory. Its specification is looked at while `checks`."""

    checks = True

    @abstractmethod
    def held(self, kind: Kind) -> list[dict[str, Any]]:
        """Return the records of a kind in our words, each with `id` and, if any, `fields`."""

    def _check(self, request: httpx2.Request) -> None:
        if self.checks:
            super()._check(request)


class Patient(Breakers):
    """Breakers that forget every failure, while `forgets`: one test tries many faults."""

    def __init__(self) -> None:
        super().__init__()
        self.forgets = True

    def of(self, business_id: UUID, provider: str) -> Breaker:
        return Breaker() if self.forgets else super().of(business_id, provider)


@dataclass(frozen=True)
class Line:
    """One tenant's way to the vendor, through the server."""

    servers: Servers
    tenant: Tenant
    vendor: Crm
    database: Database
    breakers: Patient
    exercised: set[str] = field(default_factory=set[str])

    @asynccontextmanager
    async def caller(self, conversation_id: UUID | None = None) -> AsyncGenerator[Caller]:
        """Open an MCP client that may use every tool."""
        claims = self.tenant.claims(conversation_id=conversation_id or uuid4(), tools=TOOLS)
        async with self.servers.connect("crm", claims) as caller:
            yield caller

    async def done(self, caller: Caller, tool: str, **arguments: Any) -> Answer:
        """Call a tool that has to succeed."""
        answer = await caller.call(tool, **arguments)
        assert answer.error is None, (tool, arguments, answer)
        self.exercised.add(tool)
        return answer

    async def lose_time(self) -> None:
        """Let the time pass in which an earlier try might still be at work."""
        query = text("update idempotent_call set created_at = created_at - interval '20 seconds'")
        async with self.database.business(self.tenant.business_id) as session:
            await session.execute(query)

    def one(self, kind: Kind) -> dict[str, Any]:
        """Return the only record of a kind."""
        records = self.vendor.held(kind)
        assert len(records) == 1, records
        return records[0]


async def connect(
    database: Database,
    tenant: Tenant,
    provider: str,
    secrets: dict[str, str],
    settings: dict[str, Any] | None = None,
) -> None:
    """Store a tenant's account at a vendor."""
    row = BusinessIntegration(
        business_id=tenant.business_id,
        name=provider,
        server="crm",
        integration_type=provider,
        credentials={},
        settings=settings or {},
    )
    row.credentials = sealed(row, KEYRING, secrets, secrets)
    async with database.business(tenant.business_id) as session:
        session.add(row)
