"""How many calls a business may make in a minute, on all replicas of a server together."""

import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import httpx2
import pytest
import pytest_asyncio
from redis.asyncio import Redis

from config.cache import connect as connect_cache
from config.database import Database
from config.security.tokens import Signer
from orchestrator.mcp_client.router import Identity
from tests.conftest import Tenant, fetch, new_tenant
from tests.support.processes import in_one_task
from tests.support.servers import Servers, serve
from tests.toolkit.things_server import THINGS, connect
from transcripts.server import SERVER as TRANSCRIPTS

MOST = 3


def answer(_: httpx2.Request) -> httpx2.Response:
    return httpx2.Response(200, json={"name": "thing"})


@pytest_asyncio.fixture
async def replicas(
    signer: Signer, database: Database, cache: Redis
) -> AsyncGenerator[list[Servers]]:
    """The same server twice, with a low limit."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                in_one_task(
                    serve(
                        [THINGS],
                        signer,
                        database,
                        cache,
                        vendors=httpx2.MockTransport(answer),
                        calls_per_minute=MOST,
                    )
                )
            )
            for _ in range(2)
        ]


async def asked(servers: Servers, tenant: Tenant) -> str | None:
    async with servers.connect("things", tenant.claims()) as caller:
        return (await caller.call("read_thing", name="a")).error


async def test_the_limit_holds_for_all_replicas_and_for_one_business_only(
    replicas: list[Servers], database: Database
) -> None:
    one, other = await new_tenant(database), await new_tenant(database)
    for tenant in (one, other):
        await connect(database, tenant)
    minute = int(time.time()) // 60
    errors = [await asked(replicas[n % 2], one) for n in range(MOST + 2)]
    if int(time.time()) // 60 == minute:  # else a new minute has begun between the calls
        assert errors == [None] * MOST + ["rate_limited"] * 2
    assert await asked(replicas[0], other) is None
    rows = await fetch(database, one, "select outcome from audit order by created_at")
    assert [row["outcome"] for row in rows] == [error or "ok" for error in errors]


@pytest.mark.parametrize(
    ("tool", "platform", "counts"),
    [
        ("append_user_turn", True, False),
        ("append_user_turn", False, True),  # as a key of the business, or its bot, calls it
        ("get_conversation", True, True),
    ],
)
async def test_only_what_the_platform_records_is_not_counted(
    tool: str, platform: bool, counts: bool, signer: Signer, database: Database, cache: Redis
) -> None:
    tenant, conversation_id = await new_tenant(database), uuid4()
    minute = int(time.time()) // 60
    claims = tenant.claims(conversation_id=conversation_id)
    async with in_one_task(
        serve([TRANSCRIPTS], signer, database, cache, calls_per_minute=1)
    ) as servers:
        async with servers.connect("transcripts", claims) as caller:
            started = {"room_name": "room", "direction": "inbound"}
            assert (await caller.call("start_conversation", **started)).error is None
        turn: dict[str, Any] = {"order_index": 0, "text": "Rye?", "stt_provider": "s"}
        arguments: dict[str, Any] = turn if tool == "append_user_turn" else {}
        claims = claims.model_copy(update={"platform": platform})
        async with servers.connect("transcripts", claims) as caller:
            errors = [(await caller.call(tool, **arguments)).error for _ in range(2)]
    if int(time.time()) // 60 == minute:  # else a new minute has begun between the calls
        assert errors == ["rate_limited" if counts else None] * 2


async def test_what_the_platform_may_do_is_claimed_by_no_identity() -> None:
    bot = Identity("bot:1", uuid4(), conversation_id=uuid4())
    assert not bot.claims("transcripts").platform
    assert not bot.claims("transcripts", every_tool=True).platform


async def test_a_cache_that_is_down_silences_nobody(signer: Signer, database: Database) -> None:
    tenant = await new_tenant(database)
    await connect(database, tenant)
    nowhere = connect_cache("redis://127.0.0.1:1/0")
    vendor = httpx2.MockTransport(answer)
    async with in_one_task(
        serve([THINGS], signer, database, nowhere, vendors=vendor, calls_per_minute=1)
    ) as servers:
        assert [await asked(servers, tenant) for _ in range(2)] == [None, None]
    await nowhere.aclose()
