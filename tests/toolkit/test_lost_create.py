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

import pytest_asyncio
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport

from config.database import Database
from config.security.tokens import Claims, Signer, server_audience
from orchestrator.engines.ports import free_port
from orchestrator.engines.postgres import Postgres
from orchestrator.engines.process import Program, running
from orchestrator.engines.valkey import Valkey
from tests.conftest import Tenant, new_tenant
from tests.crm.contract import CrmContract
from tests.crm.providers.hubspot.test_provider import TestHubSpot as HubSpotContract
from tests.crm.providers.leadsquared.test_provider import TestLeadSquared as LeadSquaredContract
from tests.crm.providers.salesforce.test_provider import TestSalesforce as SalesforceContract
from tests.crm.providers.test_selldo import TestSellDo as SellDoContract
from tests.crm.providers.zoho.test_provider import TestZoho as ZohoContract
from tests.scheduling.contract import ANN, SchedulingContract
from tests.scheduling.providers.acuity.test_provider import TestAcuity as AcuityContract
from tests.scheduling.providers.housecallpro.test_provider import (
    TestHousecallPro as HousecallProContract,
)
from tests.scheduling.providers.test_calcom import TestCalCom as CalComContract
from tests.servicenow.double import ServiceNow
from tests.servicenow.line import APPLICATION
from tests.support.accounts import connect, lose_time
from tests.support.processes import answering, held
from tests.support.servers import VAULT_KEYS, Answer, Caller
from tests.support.vendor_socket import Socket, listening
from tests.support.vendors import Vendor
from tests.tickets.contract import TicketsContract
from tests.tickets.faults import arguments
from tests.tickets.providers.freshdesk.test_provider import TestFreshdesk as FreshdeskContract
from tests.tickets.providers.jira.test_provider import TestJira as JiraContract
from tests.tickets.providers.zendesk.test_provider import TestZendesk as ZendeskContract

SERVERS = ("scheduling", "crm", "tickets", "servicenow")
CALENDARS: list[type[SchedulingContract]] = [AcuityContract, CalComContract, HousecallProContract]
CRMS: list[type[CrmContract]] = [
    *(SalesforceContract, ZohoContract, HubSpotContract, LeadSquaredContract, SellDoContract)
]
DESKS: list[type[TicketsContract]] = [ZendeskContract, JiraContract, FreshdeskContract]


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
        """Return the create of a calendar; which time it is to be is not known yet."""
        vendor = contract.new_vendor()
        account = (contract.provider, contract.secrets, contract.settings)
        records = lambda: len(vendor.calendar.standing())  # noqa: E731 - a field
        return cls(vendor, "scheduling", *account, "create_booking", ANN, records)

    @classmethod
    def lead(cls, contract: CrmContract) -> Self:
        """Return the create of a CRM."""
        vendor = contract.new_vendor()
        account = (contract.provider, contract.secrets, contract.settings)
        values, blind = contract.creating("lead", {}), "lead" in contract.blind_for
        records = lambda: len(vendor.held("lead"))  # noqa: E731 - a field
        return cls(vendor, "crm", *account, "create_lead", values, records, blind)

    @classmethod
    def ticket(cls, contract: TicketsContract) -> Self:
        """Return the create of a ticket desk."""
        vendor = contract.new_vendor()
        values = arguments(vendor.seed())["create_ticket"]
        account = (contract.provider, contract.secrets, contract.settings)
        before, blind = len(vendor.held()), "create_ticket" in contract.blind
        records = lambda: len(vendor.held()) - before  # noqa: E731 - a field
        return cls(vendor, "tickets", *account, "create_ticket", values, records, blind)

    @classmethod
    def incident(cls) -> Self:
        """Return the create of ServiceNow."""
        vendor, values = ServiceNow(), {"summary": "No VPN", "caller": "tom.hill"}
        account = ("servicenow", APPLICATION, dict[str, Any]())
        records = lambda: len(vendor.tables["incident"])  # noqa: E731 - a field
        return cls(vendor, "servicenow", *account, "create_incident", values, records)


@dataclass
class Line:
    """A tenant at one vendor, in one conversation, in the middle of a create."""

    create: Create
    socket: Socket
    tenant: Tenant
    claims: Claims
    arguments: Mapping[str, Any]

    @asynccontextmanager
    async def called(self, url: str, signer: Signer) -> AsyncGenerator[Caller]:
        """Open an MCP client."""
        server = self.create.server
        token = signer.mint(server_audience(server), self.claims)
        transport = StreamableHttpTransport(f"{url}/{server}/mcp", auth=token)
        async with Client(transport) as client:
            yield Caller(client)

    async def prepare(self, url: str, signer: Signer) -> None:
        """Take the first time that is offered, where there are times; then be answered no more."""
        if self.create.server == "scheduling":
            async with self.called(url, signer) as caller:
                offer = await caller.call("get_available_slots", service="piano", when="tomorrow")
            self.arguments = {**self.arguments, "slot": offer.data["offered"][0]["handle"]}
        self.socket.silent = True

    async def do(self, url: str, signer: Signer) -> Answer:
        """Call the tool."""
        async with self.called(url, signer) as caller:
            return await caller.call(self.create.tool, **self.arguments)

    async def repeat(self, url: str, signer: Signer, database: Database) -> None:
        """Call it again, and once more: the vendor has one record."""
        self.socket.silent = False
        await lose_time(database, self.tenant)
        again, replayed = await self.do(url, signer), await self.do(url, signer)
        who = self.create.provider
        assert again.error == ("outcome_unknown" if self.create.blind else None), (who, again)
        assert replayed.error == again.error, (who, replayed)
        assert self.create.blind or replayed.data == again.data, (who, replayed)
        assert self.create.is_done(), (who, self.create.records())


@pytest_asyncio.fixture
async def lines(database: Database) -> AsyncGenerator[list[Line]]:
    """A tenant at each vendor."""
    creates = [
        *(Create.booking(contract()) for contract in CALENDARS),
        *(Create.lead(contract()) for contract in CRMS),
        *(Create.ticket(contract()) for contract in DESKS),
        Create.incident(),
    ]
    sockets = [Socket(each.vendor, each.is_done) for each in creates]
    async with listening(*sockets) as urls:
        lines: list[Line] = []
        for create, socket, url in zip(creates, sockets, urls, strict=True):
            tenant, settings = await new_tenant(database), {**create.settings, "base_url": url}
            account = (create.server, create.provider, create.secrets, settings)
            await connect(database, tenant, *account)
            claims = tenant.claims(conversation_id=uuid4())
            lines.append(Line(create, socket, tenant, claims, create.arguments))
        yield lines


async def test_each_vendor_holds_one_record_after_the_servers_were_killed(
    lines: list[Line],
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
    ready = answering(f"{url}/healthz")
    async with held(running(program, ready)) as process:
        await asyncio.gather(*(line.prepare(url, signer) for line in lines))
        calls = [asyncio.create_task(line.do(url, signer)) for line in lines]
        for line, call in zip(lines, calls, strict=True):
            committed = asyncio.create_task(line.socket.committed.wait())
            await asyncio.wait([committed, call], return_when=asyncio.FIRST_COMPLETED)
            assert committed.done(), (line.create.provider, call.result())
        os.killpg(process.pid, signal.SIGKILL)
        await asyncio.wait(calls)
        assert all(call.exception() is not None for call in calls)
        assert all(line.create.is_done() for line in lines)
    async with held(running(program, ready)):
        await asyncio.gather(*(line.repeat(url, signer, database) for line in lines))
