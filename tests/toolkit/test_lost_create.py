"""Vendors commit and never answer, our process is killed, the calls are repeated: one record each.

One process serves every server whose creates can be looked for, and is killed once for all.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import pytest
import pytest_asyncio
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport

from config.database import Database
from config.security.tokens import Claims, Signer, server_audience
from crm.provider import Kind
from orchestrator.engines.ports import free_port
from orchestrator.engines.postgres import Postgres
from orchestrator.engines.process import Program, run_program
from orchestrator.engines.valkey import Valkey
from tests.conftest import Tenant, new_tenant
from tests.crm.contract import CrmContract
from tests.scheduling.contract import ANN, SchedulingContract
from tests.servicenow.double import ServiceNow
from tests.servicenow.harness import APPLICATION
from tests.support.accounts import connect, let_time_pass
from tests.support.processes import answers, in_one_task
from tests.support.servers import VAULT_KEYS, Answer, Caller
from tests.support.vendor_contract import vendor_contracts
from tests.support.vendor_socket import Socket, listening
from tests.support.vendors import Vendor
from tests.tickets.contract import TicketsContract
from tests.tickets.tool_cases import valid_arguments

SERVERS = ("scheduling", "crm", "tickets", "servicenow")


@dataclass(frozen=True)
class Create:
    """A tool that creates a record at a vendor, and how many of those the vendor has."""

    vendor: Vendor
    server: str
    provider: str
    secrets: Mapping[str, str]
    settings: Mapping[str, Any]
    tool: str
    arguments: Mapping[str, Any]
    records: Callable[[], int]
    blind: bool = False  # the vendor cannot be asked for a lost create

    def is_done(self) -> bool:
        """Say whether there is one record."""
        return self.records() == 1

    @classmethod
    def booking(cls, contract: SchedulingContract) -> Self:
        """Return the create of a calendar, without the time, which `prepare` chooses."""
        vendor = contract.new_vendor()
        account = (contract.provider, contract.secrets, contract.settings)
        records = lambda: len(vendor.calendar.active_bookings())  # noqa: E731 - a field
        return cls(vendor, "scheduling", *account, "create_booking", ANN, records)

    @classmethod
    def crm_record(cls, contract: CrmContract) -> Self:
        """Return the create of a CRM: a lead's, where it has leads."""
        vendor = contract.new_vendor()
        account = (contract.provider, contract.secrets, contract.settings)
        kind: Kind = "lead" if "lead" in contract.kinds() else contract.kinds()[0]
        values, blind = contract.create_arguments(kind, {}), kind in contract.cannot_find_lost
        records = lambda: len(vendor.records(kind))  # noqa: E731 - a field
        return cls(vendor, "crm", *account, f"create_{kind}", values, records, blind)

    @classmethod
    def ticket(cls, contract: TicketsContract) -> Self:
        """Return the create of a ticket desk."""
        vendor = contract.new_vendor()
        values = valid_arguments(vendor.seed())["create_ticket"]
        account = (contract.provider, contract.secrets, contract.settings)
        before, blind = len(vendor.list_tickets()), "create_ticket" in contract.blind
        records = lambda: len(vendor.list_tickets()) - before  # noqa: E731 - a field
        return cls(vendor, "tickets", *account, "create_ticket", values, records, blind)

    @classmethod
    def incident(cls) -> Self:
        """Return the create of ServiceNow."""
        vendor, values = ServiceNow(), {"summary": "No VPN", "caller": "tom.hill"}
        account = ("servicenow", APPLICATION, dict[str, Any]())
        records = lambda: len(vendor.tables["incident"])  # noqa: E731 - a field
        return cls(vendor, "servicenow", *account, "create_incident", values, records)


@dataclass
class Harness:
    """One conversation of a tenant at one vendor, in which a create is lost."""

    create: Create
    socket: Socket
    tenant: Tenant
    claims: Claims
    arguments: Mapping[str, Any]

    @asynccontextmanager
    async def open_client(self, url: str, signer: Signer) -> AsyncGenerator[Caller]:
        """Open an MCP client."""
        server = self.create.server
        token = signer.mint(server_audience(server), self.claims)
        transport = StreamableHttpTransport(f"{url}/{server}/mcp", auth=token)
        async with Client(transport) as client:
            yield Caller(client)

    async def prepare(self, url: str, signer: Signer) -> None:
        """Choose a free time where the tool needs one; then silence the vendor."""
        if self.create.server == "scheduling":
            async with self.open_client(url, signer) as caller:
                offer = await caller.call("get_available_slots", service="piano", when="tomorrow")
            self.arguments = {**self.arguments, "slot": offer.data["offered"][0]["handle"]}
        self.socket.silent = True

    async def call_tool(self, url: str, signer: Signer) -> Answer:
        """Call the tool."""
        async with self.open_client(url, signer) as caller:
            return await caller.call(self.create.tool, **self.arguments)

    async def repeat(self, url: str, signer: Signer, database: Database) -> None:
        """Call the tool twice more: the vendor still has one record."""
        self.socket.silent = False
        await let_time_pass(database, self.tenant)
        retried, replayed = await self.call_tool(url, signer), await self.call_tool(url, signer)
        who = self.create.provider
        assert retried.error == ("outcome_unknown" if self.create.blind else None), (who, retried)
        assert replayed.error == retried.error, (who, replayed)
        assert self.create.blind or replayed.data == retried.data, (who, replayed)
        assert self.create.is_done(), (who, self.create.records())


@pytest_asyncio.fixture
async def harnesses(database: Database) -> AsyncGenerator[list[Harness]]:
    """A tenant at each vendor."""
    creates = [
        *(Create.booking(contract()) for contract in vendor_contracts(SchedulingContract)),
        *(Create.crm_record(contract()) for contract in vendor_contracts(CrmContract)),
        *(Create.ticket(contract()) for contract in vendor_contracts(TicketsContract)),
        Create.incident(),
    ]
    sockets = [Socket(each.vendor, each.is_done) for each in creates]
    async with listening(*sockets) as urls:
        harnesses: list[Harness] = []
        for create, socket, url in zip(creates, sockets, urls, strict=True):
            tenant, settings = await new_tenant(database), {**create.settings, "base_url": url}
            account = (create.server, create.provider, create.secrets, settings)
            await connect(database, tenant, *account)
            claims = tenant.claims(conversation_id=uuid4())
            harnesses.append(Harness(create, socket, tenant, claims, create.arguments))
        yield harnesses


@pytest.mark.kill
async def test_each_vendor_holds_one_record_after_the_servers_were_killed(
    harnesses: list[Harness],
    tmp_path: Path,
    signer: Signer,
    postgres_server: Postgres,
    valkey_server: Valkey,
    database: Database,
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    program = Program(
        name="mcp",
        command=[sys.executable, "-m", "orchestrator", "mcp", *SERVERS],
        log=tmp_path / "mcp.log",
        env={
            **os.environ,
            "DATABASE_URL": postgres_server.database_url,
            "REDIS_URL": valkey_server.redis_url,
            "SERVICE_TOKEN_PUBLIC_KEY": signer.public_key(),
            "VAULT_KEYS": VAULT_KEYS,
            "ALLOW_PRIVATE_HOSTS": "1",
            "MCP_PORT": str(port),
        },
    )
    ready = answers(f"{url}/healthz")
    async with in_one_task(run_program(program, ready)) as process:
        await asyncio.gather(*(harness.prepare(url, signer) for harness in harnesses))
        calls = [asyncio.create_task(harness.call_tool(url, signer)) for harness in harnesses]
        for harness, call in zip(harnesses, calls, strict=True):
            committed = asyncio.create_task(harness.socket.committed.wait())
            await asyncio.wait([committed, call], return_when=asyncio.FIRST_COMPLETED)
            assert committed.done(), (harness.create.provider, call.result())
        os.killpg(process.pid, signal.SIGKILL)
        await asyncio.wait(calls)
        assert all(call.exception() is not None for call in calls)
        assert all(harness.create.is_done() for harness in harnesses)
    async with in_one_task(run_program(program, ready)):
        await asyncio.gather(*(harness.repeat(url, signer, database) for harness in harnesses))
