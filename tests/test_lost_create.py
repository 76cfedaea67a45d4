"""A vendor commits and never answers, our process is killed, the call is repeated: one booking."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest_asyncio
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport
from sqlalchemy import text

from config.database import Database
from config.tokens import Claims, Signer, server_audience
from orchestrator.engines.ports import free_port
from orchestrator.engines.postgres import Postgres
from orchestrator.engines.process import Program, running
from orchestrator.engines.valkey import Valkey
from tests.conftest import Tenant, new_tenant
from tests.processes import answering, held
from tests.scheduling.contract import ANN, SchedulingContract, connect
from tests.scheduling.sockets import Socket, listening
from tests.scheduling.test_acuity import TestAcuity as AcuityContract
from tests.scheduling.test_calcom import TestCalCom as CalComContract
from tests.scheduling.test_housecallpro import TestHousecallPro as HousecallProContract
from tests.servers import VAULT_KEYS, Answer, Caller

VENDORS: list[type[SchedulingContract]] = [AcuityContract, CalComContract, HousecallProContract]


@asynccontextmanager
async def called(url: str, signer: Signer, claims: Claims) -> AsyncGenerator[Caller]:
    """Open an MCP client."""
    token = signer.mint(server_audience("scheduling"), claims)
    transport = StreamableHttpTransport(f"{url}/scheduling/mcp", auth=token)
    async with Client(transport) as client:
        yield Caller(client)


@dataclass
class Line:
    """A tenant at one vendor, in one conversation, in the middle of booking."""

    socket: Socket
    tenant: Tenant
    claims: Claims
    wish: dict[str, str] = field(default_factory=dict[str, str])

    async def choose(self, url: str, signer: Signer) -> None:
        """Ask for a time, and take the first that is offered."""
        async with called(url, signer, self.claims) as caller:
            offer = await caller.call("get_available_slots", service="piano", when="tomorrow")
        self.wish = {**ANN, "slot": offer.data["offered"][0]["handle"]}

    async def book(self, url: str, signer: Signer) -> Answer:
        """Book it."""
        async with called(url, signer, self.claims) as caller:
            return await caller.call("create_booking", **self.wish)

    async def let_time_pass(self, database: Database) -> None:
        """Let the time pass in which the first try might still be at work."""
        query = text("update idempotent_call set created_at = created_at - interval '20 seconds'")
        async with database.business(self.tenant.business_id) as session:
            await session.execute(query)


@pytest_asyncio.fixture
async def lines(database: Database) -> AsyncGenerator[list[Line]]:
    """A tenant at each vendor."""
    async with AsyncExitStack() as stack:
        lines: list[Line] = []
        for contract in VENDORS:
            socket, tenant = Socket(contract().new_vendor()), await new_tenant(database)
            url = await stack.enter_async_context(listening(socket))
            settings = {**contract.settings, "base_url": url}
            await connect(database, tenant, contract.provider, contract.secrets, settings)
            lines.append(Line(socket, tenant, tenant.claims(conversation_id=uuid4())))
        yield lines


async def test_each_vendor_holds_one_booking_after_the_server_was_killed(
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
        command=[sys.executable, "-m", "orchestrator", "mcp", "scheduling"],
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
        bookings: list[asyncio.Task[Answer]] = []
        for line in lines:
            await line.choose(url, signer)
            line.socket.silent = True
            bookings.append(asyncio.create_task(line.book(url, signer)))
            await line.socket.committed.wait()
        os.killpg(process.pid, signal.SIGKILL)
        await asyncio.wait(bookings)
        assert all(booking.exception() is not None for booking in bookings)
    async with held(running(program, ready)):
        for line in lines:
            line.socket.silent = False
            await line.let_time_pass(database)
            again, replayed = await line.book(url, signer), await line.book(url, signer)
            assert again.error is None, again
            assert again.data["status"] == "booked"
            assert replayed.data == again.data
            assert len(line.socket.vendor.calendar.standing()) == 1
