"""Tokens that expire are replaced once, whoever notices, and never lost."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from urllib.parse import parse_qs

import httpx2
import pytest
import pytest_asyncio
from redis.asyncio import Redis

from config.database import Database
from config.security.tokens import Signer
from config.security.vault import DatabaseVault
from tests.conftest import Tenant, fetch, new_tenant
from tests.support.processes import in_one_task
from tests.support.servers import KEYRING, Answer, Servers, serve
from tests.toolkit.things_server import THINGS, connect


class FakeVendor:
    """A vendor that accepts each refresh token once, and only the newest access token."""

    def __init__(self, database: Database) -> None:
        self._vault = DatabaseVault(database, KEYRING)
        self.generation = 0
        self.refreshes = 0
        self.requests = 0
        self.token_failure: httpx2.Response | None = None
        self.tenant: Tenant | None = None

    async def answer(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.host == "login.vendor.test":
            return self._token(parse_qs(request.content.decode()))
        self.requests += 1
        if request.headers["authorization"] != f"Bearer canary-access-{self.generation}":
            return httpx2.Response(401, json={"message": "expired"})
        await self._stored_before_it_is_used()
        return httpx2.Response(200, json={"name": "thing"})

    def _token(self, form: dict[str, list[str]]) -> httpx2.Response:
        self.refreshes += 1
        if self.token_failure is not None:
            return self.token_failure
        if form["refresh_token"] != [f"canary-refresh-{self.generation}"]:
            return httpx2.Response(400, json={"error": "invalid_grant"})
        assert form["client_secret"] == ["canary-secret"]
        self.generation += 1
        return httpx2.Response(
            200,
            json={
                "access_token": f"canary-access-{self.generation}",
                "refresh_token": f"canary-refresh-{self.generation}",
                "expires_in": 3600,
            },
        )

    async def _stored_before_it_is_used(self) -> None:
        assert self.tenant is not None
        account = await self._vault.account("things", self.tenant.claims())
        assert account.secrets["refresh_token"] == f"canary-refresh-{self.generation}"
        assert float(account.secrets["expires_at"]) > time.time() + 3000


@pytest_asyncio.fixture
async def vendor(database: Database) -> FakeVendor:
    return FakeVendor(database)


@pytest_asyncio.fixture
async def replicas(
    vendor: FakeVendor, signer: Signer, database: Database, cache: Redis
) -> AsyncGenerator[list[Servers]]:
    """The same server twice, as two processes would run it."""
    transport = httpx2.MockTransport(vendor.answer)
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                in_one_task(serve([THINGS], signer, database, cache, vendors=transport))
            )
            for _ in range(2)
        ]


async def connected(database: Database, vendor: FakeVendor, **changes: str) -> Tenant:
    tenant = await new_tenant(database)
    await connect(database, tenant, **changes)
    vendor.tenant = tenant
    return tenant


async def read(servers: Servers, tenant: Tenant, times: int = 1) -> list[Answer]:
    async with servers.connect("things", tenant.claims()) as caller:
        return await asyncio.gather(*(caller.call("read_thing", name="a") for _ in range(times)))


async def test_fifty_parallel_refusals_cause_one_refresh(
    replicas: list[Servers], vendor: FakeVendor, database: Database
) -> None:
    tenant = await connected(database, vendor)
    answers = await asyncio.gather(*(read(servers, tenant, 25) for servers in replicas))
    assert [answer.error for each in answers for answer in each] == [None] * 50
    assert vendor.refreshes == 1
    assert vendor.requests >= 51
    assert [each.error for each in await read(replicas[0], tenant)] == [None]
    assert vendor.refreshes == 1


async def test_a_token_is_replaced_before_it_expires(
    replicas: list[Servers], vendor: FakeVendor, database: Database
) -> None:
    soon = str(time.time() + 5)
    tenant = await connected(database, vendor, expires_at=soon)
    assert [each.error for each in await read(replicas[0], tenant)] == [None]
    assert (vendor.refreshes, vendor.requests) == (1, 1)


async def test_a_write_is_sent_again_with_the_new_token(
    replicas: list[Servers], vendor: FakeVendor, database: Database
) -> None:
    tenant = await connected(database, vendor)
    async with replicas[0].connect("things", tenant.claims()) as caller:
        assert (await caller.call("write_thing", name="a")).error is None
    assert (vendor.refreshes, vendor.requests) == (1, 2)


async def test_a_revoked_grant_is_noted_and_said_and_asked_no_more(
    replicas: list[Servers],
    vendor: FakeVendor,
    database: Database,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    tenant = await connected(database, vendor, refresh_token="canary-revoked")
    (answer,) = await read(replicas[0], tenant)
    assert answer.error == "disconnected"
    assert "must be reconnected" in answer.text
    (row,) = await fetch(database, tenant, "select status from business_integration")
    assert row["status"] == "revoked"
    refreshes = vendor.refreshes
    (second,) = await read(replicas[0], tenant)
    assert (second.error, vendor.refreshes) == ("disconnected", refreshes)
    assert "canary" not in f"{answer} {second} {caplog.text}"


@pytest.mark.parametrize(
    "trouble", [httpx2.Response(503), httpx2.Response(200, text="<html>"), httpx2.Response(200)]
)
async def test_a_refresh_that_fails_for_now_revokes_nothing(
    replicas: list[Servers],
    vendor: FakeVendor,
    database: Database,
    trouble: httpx2.Response,
) -> None:
    tenant = await connected(database, vendor)
    vendor.token_failure = trouble
    (answer,) = await read(replicas[0], tenant)
    assert answer.error == "unavailable"
    vendor.token_failure = None
    assert [each.error for each in await read(replicas[0], tenant)] == [None]


async def test_what_the_vendor_cannot_do_is_not_there(
    replicas: list[Servers], vendor: FakeVendor, database: Database, tenant: Tenant
) -> None:
    mine = await connected(database, vendor)
    async with replicas[0].connect("things", mine.claims()) as caller:
        assert list(await caller.tools()) == ["read_thing", "write_thing"]
        assert (await caller.call("erase_thing", name="a")).error == "unknown_tool"
    async with replicas[0].connect("things", tenant.claims()) as caller:
        assert list(await caller.tools()) == []
        assert (await caller.call("read_thing", name="a")).error == "unknown_tool"
    assert THINGS.catalogue() == {
        "providers": ["vendor"],
        "tools": ["read_thing", "write_thing", "erase_thing"],
        "unsupported": {"vendor": {"erase_thing": "The vendor forgets nothing."}},
    }
