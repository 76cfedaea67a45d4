"""Responses of a vendor that cannot be used, for reads and for writes."""

import asyncio
from collections.abc import AsyncGenerator, Callable

import httpx2
import pytest
import pytest_asyncio
from fastmcp.tools import tool
from redis.asyncio import Redis

from config.database import Database
from config.security.tokens import Signer
from tests.conftest import Tenant, new_tenant
from tests.support import accounts
from tests.support.processes import in_one_task
from tests.support.servers import Servers, serve
from tests.toolkit.things_server import (
    PROVIDER,
    SECRETS,
    THINGS,
    Thing,
    ThingsProvider,
    connect,
)
from toolkit.effects import WRITES
from toolkit.server.build import ServerSpec

Answer = Callable[[httpx2.Request], httpx2.Response]


class FakeVendor:
    """A vendor whose responses a test chooses."""

    def __init__(self) -> None:
        self.requests = 0
        self.respond: Answer = lambda _: httpx2.Response(200, json={"name": "thing"})

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests += 1
        return self.respond(request)


@pytest.fixture
def vendor() -> FakeVendor:
    return FakeVendor()


@pytest_asyncio.fixture
async def servers(
    vendor: FakeVendor, signer: Signer, database: Database, cache: Redis
) -> AsyncGenerator[Servers]:
    transport = httpx2.MockTransport(vendor)
    async with in_one_task(serve([THINGS], signer, database, cache, vendors=transport)) as servers:
        yield servers


@pytest_asyncio.fixture
async def connected(database: Database) -> Tenant:
    tenant = await new_tenant(database)
    await connect(database, tenant)
    return tenant


async def _stream(_: httpx2.Request) -> AsyncGenerator[bytes]:
    for _n in range(60):
        yield b"x" * 100_000


def _raise(error: type[httpx2.RequestError]) -> Answer:
    def respond(request: httpx2.Request) -> httpx2.Response:
        raise error("canary", request=request)

    return respond


NO_ANSWERS: dict[str, Answer] = {
    "broken gzip": lambda _: httpx2.Response(
        200, content=b"no gzip", headers={"Content-Encoding": "gzip"}
    ),
    "six megabytes": lambda request: httpx2.Response(200, content=_stream(request)),
    "another shape": lambda _: httpx2.Response(200, json={"title": 7}),
    "a list": lambda _: httpx2.Response(200, json=[]),
    "nested too deeply": lambda _: httpx2.Response(200, text="[" * 100_000),
    "nothing": lambda _: httpx2.Response(204),
}


@pytest.mark.parametrize("name", NO_ANSWERS)
async def test_what_is_no_answer_is_never_taken_for_one(
    name: str, servers: Servers, vendor: FakeVendor, connected: Tenant
) -> None:
    vendor.respond = NO_ANSWERS[name]
    async with servers.connect("things", connected.claims()) as caller:
        assert (await caller.call("read_thing", name="a")).error == "unavailable"
        # It may have been done: nobody may say that it was not.
        assert (await caller.call("write_thing", name="a")).error == "outcome_unknown"


async def test_a_read_is_tried_twice_and_a_write_once(
    servers: Servers, vendor: FakeVendor, connected: Tenant
) -> None:
    def break_off(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ReadError("canary", request=request)

    vendor.respond = break_off
    async with servers.connect("things", connected.claims()) as caller:
        assert (await caller.call("read_thing", name="a")).error == "unavailable"
        assert vendor.requests == 2
        assert (await caller.call("write_thing", name="a")).error == "outcome_unknown"
        assert vendor.requests == 3


async def test_a_write_that_never_left_was_not_done(
    servers: Servers, vendor: FakeVendor, connected: Tenant
) -> None:
    def unreachable(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("canary", request=request)

    vendor.respond = unreachable
    async with servers.connect("things", connected.claims()) as caller:
        assert (await caller.call("write_thing", name="a")).error == "unavailable"


BLAMELESS: dict[str, Answer] = {
    "a wrong key": lambda _: httpx2.Response(403),
    "too much was asked for": lambda request: httpx2.Response(200, content=_stream(request)),
    "refused": lambda _: httpx2.Response(422),
    "no connection of ours is free": _raise(httpx2.PoolTimeout),
    "no request": _raise(httpx2.LocalProtocolError),
}


@pytest.mark.parametrize("name", BLAMELESS)
async def test_what_is_not_the_vendors_fault_opens_no_breaker(
    name: str, servers: Servers, vendor: FakeVendor, connected: Tenant
) -> None:
    healthy, vendor.respond = vendor.respond, BLAMELESS[name]
    async with servers.connect("things", connected.claims()) as caller:
        for _ in range(6):
            assert (await caller.call("read_thing", name="a")).error is not None
        vendor.respond = healthy
        assert (await caller.call("read_thing", name="a")).error is None


async def test_an_account_whose_host_is_down_closes_no_other(
    servers: Servers, vendor: FakeVendor, database: Database
) -> None:
    tenant = await new_tenant(database)
    for name in ("up", "down"):
        settings = {"base_url": f"https://{name}.vendor.test"}
        await accounts.connect(database, tenant, "things", "vendor", SECRETS, settings, name=name)

    def respond(request: httpx2.Request) -> httpx2.Response:
        status = 503 if request.url.host == "down.vendor.test" else 200
        return httpx2.Response(status, json={"name": "thing"})

    vendor.respond = respond
    async with servers.connect("things", tenant.claims(integration="down")) as caller:
        for _ in range(6):
            assert (await caller.call("read_thing", name="a")).error == "unavailable"
    async with servers.connect("things", tenant.claims(integration="up")) as caller:
        assert (await caller.call("read_thing", name="a")).error is None


@tool(title="Copy a thing", annotations=WRITES, timeout=1.0)
async def copy_thing(name: str, provider: ThingsProvider = PROVIDER) -> Thing:
    """Read a thing, and write it."""
    return Thing(name=await provider.write(await provider.read(name)))


@pytest.mark.parametrize(
    ("hanging", "error", "told"),
    [
        ("GET", "timeout", "Vendor did not answer in time."),
        ("POST", "outcome_unknown", "Vendor did not say whether it was done."),
    ],
)
async def test_the_vendors_outcome_is_known_before_the_tool_is_cut_off(
    hanging: str, error: str, told: str, signer: Signer, database: Database, cache: Redis
) -> None:
    """All requests of a tool share its time: none may outlast it."""

    async def respond(request: httpx2.Request) -> httpx2.Response:
        if request.method == hanging:
            await asyncio.Event().wait()
        return httpx2.Response(200, json={"name": "thing"})

    tenant = await new_tenant(database)
    await connect(database, tenant)
    spec = ServerSpec("things", "Things.", (copy_thing,), {"vendor": ThingsProvider})
    transport = httpx2.MockTransport(respond)
    async with (
        in_one_task(serve([spec], signer, database, cache, vendors=transport)) as servers,
        servers.connect("things", tenant.claims()) as caller,
    ):
        outcome = await caller.call("copy_thing", name="a")
    assert outcome.error == error
    assert outcome.text.startswith(told)
