"""One tenant's way to a played CRM, through the server."""

from abc import abstractmethod
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from config.database import Database
from crm.provider import Kind
from crm.server import SERVER
from tests.conftest import Tenant
from tests.support.accounts import lose_time
from tests.support.faults import Patient
from tests.support.servers import Answer, Caller, Servers
from tests.support.vendors import Vendor

TOOLS: tuple[str, ...] = tuple(SERVER.catalogue()["tools"])


class Crm(Vendor):
    """A played CRM with a memory."""

    @abstractmethod
    def held(self, kind: Kind) -> list[dict[str, Any]]:
        """Return the records of a kind in our words, each with `id` and, if any, `fields`."""


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
        await lose_time(self.database, self.tenant)

    def one(self, kind: Kind) -> dict[str, Any]:
        """Return the only record of a kind."""
        records = self.vendor.held(kind)
        assert len(records) == 1, records
        return records[0]
