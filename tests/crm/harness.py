"""A tenant whose CRM is a fake vendor, with the MCP server in between."""

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
from tests.support.accounts import let_time_pass
from tests.support.faults import SwitchableBreakers
from tests.support.servers import Answer, Caller, Servers
from tests.support.vendors import Vendor

TOOLS: tuple[str, ...] = tuple(SERVER.catalogue()["tools"])


class FakeCrm(Vendor):
    """A fake CRM that keeps records in memory."""

    @abstractmethod
    def records(self, kind: Kind) -> list[dict[str, Any]]:
        """Return the records of a kind.

        Each has the standard fields that have a value, `id`, and the custom fields in `fields`.
        """


@dataclass(frozen=True)
class CrmHarness:
    """One tenant, the fake vendor that holds its records, and the server that the tests call.

    `called_tools` are those that succeeded.
    """

    servers: Servers
    tenant: Tenant
    vendor: FakeCrm
    database: Database
    breakers: SwitchableBreakers
    called_tools: set[str] = field(default_factory=set[str])

    @asynccontextmanager
    async def caller(self, conversation_id: UUID | None = None) -> AsyncGenerator[Caller]:
        """Open an MCP client in a conversation, which may use every tool."""
        claims = self.tenant.claims(conversation_id=conversation_id or uuid4(), tools=TOOLS)
        async with self.servers.connect("crm", claims) as caller:
            yield caller

    async def call_ok(self, caller: Caller, tool: str, **arguments: Any) -> Answer:
        """Call a tool that has to succeed."""
        answer = await caller.call(tool, **arguments)
        assert answer.error is None, (tool, arguments, answer)
        self.called_tools.add(tool)
        return answer

    async def let_time_pass(self) -> None:
        """Let the time pass in which an earlier attempt might still be running."""
        await let_time_pass(self.database, self.tenant)

    def only_record(self, kind: Kind) -> dict[str, Any]:
        """Return the only record of a kind."""
        records = self.vendor.records(kind)
        assert len(records) == 1, records
        return records[0]
