"""A vendor commits and never answers, our process is killed, the call is repeated: one booking."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport
from sqlalchemy import text

from config.database import Database
from config.tokens import Claims, Signer, server_audience
from orchestrator.engines.ports import free_port
from orchestrator.engines.postgres import Postgres
from orchestrator.engines.process import Process, Program, running
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


@pytest.mark.parametrize("contract", VENDORS, ids=lambda each: each.provider)
async def test_the_vendor_holds_one_booking_after_the_server_was_killed(
    contract: type[SchedulingContract],
    tmp_path: Path,
    signer: Signer,
    postgres_server: Postgres,
    valkey_server: Valkey,
    database: Database,
) -> None:
    line, tenant = Socket(contract().new_vendor()), await new_tenant(database)
    claims = tenant.claims(conversation_id=uuid4())
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
    async with listening(line) as vendor_url:
        settings = {**contract.settings, "base_url": vendor_url}
        await connect(database, tenant, contract.provider, contract.secrets, settings)
        async with held(running(program, ready)) as process:
            async with called(url, signer, claims) as caller:
                offer = await caller.call("get_available_slots", service="piano", when="tomorrow")
            wish = {**ANN, "slot": offer.data["offered"][0]["handle"]}
            line.silent = True
            await _lost(process, line, url, signer, claims, wish)
        line.silent = False
        await _let_time_pass(database, tenant)
        async with held(running(program, ready)), called(url, signer, claims) as caller:
            again = await caller.call("create_booking", **wish)
            replayed = await caller.call("create_booking", **wish)
    assert again.error is None, again
    assert again.data["status"] == "booked"
    assert replayed.data == again.data
    assert len(line.vendor.calendar.standing()) == 1


async def _lost(
    process: Process,
    line: Socket,
    url: str,
    signer: Signer,
    claims: Claims,
    wish: dict[str, str],
) -> None:
    """Book, and kill the server while it waits for the vendor's answer."""

    async def book() -> Answer:
        async with called(url, signer, claims) as caller:
            return await caller.call("create_booking", **wish)

    booking = asyncio.create_task(book())
    await line.committed.wait()
    os.killpg(process.pid, signal.SIGKILL)
    await asyncio.wait([booking])
    assert booking.exception() is not None


async def _let_time_pass(database: Database, tenant: Tenant) -> None:
    """Let the time pass in which the first try might still be at work."""
    query = text("update idempotent_call set created_at = created_at - interval '20 seconds'")
    async with database.business(tenant.business_id) as session:
        await session.execute(query)
