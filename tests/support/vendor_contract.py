"""What every vendor of every MCP server must do, seen over MCP, with a fake of the vendor.

A server's tests have

* a subclass of `VendorHarness` with the server's name,
* a subclass of `VendorContract`, which each vendor's test subclasses in turn,
* in conftest.py, `exchange` and `breakers` from here, and `vendor_servers` with `serve_vendor`.
"""

import importlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeGuard, TypeVar
from uuid import UUID, uuid4

import httpx2
import pytest
import pytest_asyncio
from fastmcp.tools import FunctionTool
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from redis.asyncio import Redis

from config.database import Database
from config.security.tokens import Claims, Signer
from config.security.vault import Account, DatabaseVault
from tests.conftest import Tenant, fetch, new_tenant
from tests.support.accounts import connect, let_time_pass
from tests.support.faults import (
    FAULTS,
    READ_ERRORS,
    UNSURE,
    WRITE_ERRORS,
    SwitchableBreakers,
    faults_for,
)
from tests.support.processes import in_one_task
from tests.support.servers import KEYRING, Answer, Caller, Servers, serve
from tests.support.vendors import BODY_CANARY, Exchange, Vendor, refused
from toolkit.effects import is_unsafe_to_repeat
from toolkit.errors import Disconnected
from toolkit.http.client import Timing
from toolkit.server.build import ServerSpec
from toolkit.tenancy import CheckableProvider, Runtime, ToolCall

CANARY = "canary-7f3a9"  # part of every secret; it may turn up nowhere
MANY = 999  # times that a fault occurs
# Options of a `Runtime` whose providers do not wait between requests.
NO_PAUSES: dict[str, Any] = {"timing": Timing(retry_pause=0.0), "first_poll_pause": 0.0}

V = TypeVar("V", bound=Vendor)


@pytest.fixture(scope="session")
def exchange() -> Exchange:
    """The transport to the fake vendor of the running test."""
    return Exchange()


@pytest.fixture(scope="session")
def breakers() -> SwitchableBreakers:
    """The circuit breakers of `vendor_servers`."""
    return SwitchableBreakers()


@asynccontextmanager
async def serve_vendor(
    spec: ServerSpec,
    exchange: Exchange,
    breakers: SwitchableBreakers,
    signer: Signer,
    database: Database,
    cache: Redis,
    **options: Any,
) -> AsyncGenerator[Servers]:
    """Serve `spec` with the fake vendor of the running test; it waits for nothing."""
    serving = serve(
        [spec],
        signer,
        database,
        cache,
        vendors=exchange,
        breakers=breakers,
        calls_per_minute=100_000,
        **NO_PAUSES,
        **options,
    )
    async with in_one_task(serving) as servers:
        yield servers


@cache
def reading_tools(tools: tuple[Callable[..., Awaitable[Any]], ...]) -> frozenset[str]:
    """Return the names of the tools that read, and of those that may be sent twice like a read."""
    built = map(FunctionTool.from_function, tools)
    return frozenset(each.name for each in built if not is_unsafe_to_repeat(each.annotations))


@dataclass(frozen=True)
class VendorHarness(Generic[V]):
    """A tenant who is connected to a fake vendor, and the server that its clients connect to."""

    server: ClassVar[str]

    servers: Servers
    tenant: Tenant
    vendor: V
    database: Database
    breakers: SwitchableBreakers = field(default_factory=SwitchableBreakers)

    def claims(self, **grant: Any) -> Claims:
        """Return what a client's token says."""
        return self.tenant.claims(**grant)

    @asynccontextmanager
    async def caller(
        self, conversation_id: UUID | None = None, **grant: Any
    ) -> AsyncGenerator[Caller]:
        """Open an MCP client in a conversation, a new one unless it is given."""
        claims = self.claims(conversation_id=conversation_id or uuid4(), **grant)
        async with self.servers.connect(self.server, claims) as caller:
            yield caller

    @asynccontextmanager
    async def client(self) -> AsyncGenerator[Caller]:
        """Open an MCP client without a conversation: a call is repeated by its key only."""
        async with self.servers.connect(self.server, self.claims()) as caller:
            yield caller

    async def let_time_pass(self) -> None:
        """Let the time pass in which an earlier attempt might still be running."""
        await let_time_pass(self.database, self.tenant)


H = TypeVar("H", bound=VendorHarness[Any])


class VendorContract(Generic[H]):
    """The tests that every vendor passes.

    A server's contract says which `spec` it tests and which `personal` text of its sample data may
    be in no audit row and no trace; a vendor's test says the rest, and `new_vendor()`, which
    `new_harness` calls.
    """

    spec: ClassVar[ServerSpec]
    personal: ClassVar[str | None] = None
    provider: ClassVar[str]
    secrets: ClassVar[dict[str, str]]
    settings: ClassVar[dict[str, Any]] = {}
    unsupported: ClassVar[frozenset[str]] = frozenset()

    def new_harness(
        self, servers: Servers, tenant: Tenant, database: Database, breakers: SwitchableBreakers
    ) -> H:
        """Return the harness of a tenant, with a new vendor."""
        raise NotImplementedError

    async def arguments(self, harness: H) -> Mapping[str, Mapping[str, Any]]:
        """Store what it takes, and return arguments that work, for every supported tool.

        The first tool that reads and the first that writes meet every fault.
        """
        raise NotImplementedError

    def snapshot(self, harness: H) -> object:
        """Return what the vendor has stored, to compare it later."""
        raise NotImplementedError

    def expected_errors(self, tool: str, fault: str) -> Collection[str | None]:
        """Return the errors that a tool may report for a fault; None is success."""
        return ((READ_ERRORS if tool in self.reads else WRITE_ERRORS)[fault],)

    def expected_writes(self, fault: str) -> int | None:
        """Return how often a write is sent that meets a fault, None if that does not matter."""
        return 1 if fault in UNSURE else None

    def check_success(self, tool: str, fault: str, answer: Answer) -> None:
        """Check an answer without an error, where a fault allows one."""

    async def any_call(self, harness: H) -> tuple[str, Mapping[str, Any]]:
        """Return a tool that sends a request, and its arguments; one that reads if there is one."""
        arguments = await self.arguments(harness)
        tool = next((tool for tool in arguments if tool in self.reads), next(iter(arguments)))
        return tool, arguments[tool]

    @property
    def supported(self) -> set[str]:
        """Return the tools that the vendor has."""
        return set(self.spec.catalogue()["tools"]) - self.unsupported

    @property
    def reads(self) -> frozenset[str]:
        """Return the server's tools that read, and those that may be sent twice like a read."""
        return reading_tools(tuple(self.spec.tools))

    async def open_harness(
        self,
        exchange: Exchange,
        servers: Servers,
        database: Database,
        breakers: SwitchableBreakers,
    ) -> H:
        """Connect a new tenant to a new vendor, which the exchange reaches from now on."""
        tenant = await new_tenant(database)
        harness = self.new_harness(servers, tenant, database, breakers)
        exchange.vendor = harness.vendor
        breakers.disabled = True
        await connect(database, tenant, self.spec.name, self.provider, self.secrets, self.settings)
        return harness

    @pytest_asyncio.fixture
    async def harness(
        self,
        exchange: Exchange,
        vendor_servers: Servers,
        database: Database,
        breakers: SwitchableBreakers,
    ) -> H:
        """A tenant who is connected to a new vendor."""
        return await self.open_harness(exchange, vendor_servers, database, breakers)

    async def test_it_lists_what_the_vendor_can_do(self, harness: H) -> None:
        assert set(self.spec.providers[self.provider].unsupported) == self.unsupported
        async with harness.caller() as caller:
            assert set(await caller.tools()) == self.supported
            for name in self.unsupported:
                assert (await caller.call(name)).error == "unknown_tool"
        assert harness.vendor.requests == []

    @asynccontextmanager
    async def open_provider(self, harness: H) -> AsyncGenerator[CheckableProvider]:
        """Open the tenant's account, without a server."""
        account = Account(self.provider, self.provider, self.secrets, self.settings)
        async with httpx2.AsyncClient(transport=harness.vendor.transport()) as client:
            vault = DatabaseVault(harness.database, KEYRING)
            runtime = Runtime(client, vault, harness.database, **NO_PAUSES)
            call = ToolCall(harness.tenant.claims(), runtime)
            yield self.spec.providers[self.provider](account, call)

    async def test_an_account_is_tried_with_one_harmless_request(self, harness: H) -> None:
        """With one, or with very few: nothing is written, and a refusal is `Disconnected`."""
        async with self.open_provider(harness) as provider:
            await provider.check()
        assert harness.vendor.written() == []
        assert harness.vendor.requests
        harness.vendor.fail(refused(401), times=MANY)
        async with self.open_provider(harness) as provider:
            with pytest.raises(Disconnected):
                await provider.check()

    async def test_every_tool_says_what_failed_and_tells_nothing(
        self, harness: H, caplog: pytest.LogCaptureFixture, spans: InMemorySpanExporter
    ) -> None:
        caplog.set_level(logging.DEBUG)
        arguments, reads = await self.arguments(harness), self.reads
        assert set(arguments) == self.supported
        before, answers, wrong = self.snapshot(harness), list[Answer](), list[Any]()
        # Without a conversation a repeated write is not a retry.
        async with harness.client() as caller:
            for tool, fault in faults_for(tuple(arguments), reads):
                sent = len(harness.vendor.written())
                harness.vendor.fail(
                    FAULTS[fault], writes=None if tool in reads else True, times=MANY
                )
                # A repeat matters where the outcome is not known.
                key = str(uuid4()) if fault in UNSURE else None
                answer = await caller.call(tool, key=key, **arguments[tool])
                harness.vendor.recover()
                answers.append(answer)
                if answer.error not in self.expected_errors(tool, fault):
                    wrong.append((tool, fault, answer))
                elif answer.error is None:
                    self.check_success(tool, fault, answer)
                else:
                    assert "Tell the caller:" in answer.text, (tool, fault, answer)
                writes, expected = len(harness.vendor.written()) - sent, self.expected_writes(fault)
                if tool not in reads and expected not in (None, writes):
                    wrong.append((tool, fault, f"{writes} writes were sent"))
        assert wrong == []
        assert self.snapshot(harness) == before
        await self.assert_nothing_leaks(harness, answers, caplog, spans)

    async def assert_nothing_leaks(
        self,
        harness: H,
        answers: Sequence[Answer],
        caplog: pytest.LogCaptureFixture,
        spans: InMemorySpanExporter,
    ) -> None:
        """Search what is stored, logged, traced and returned for secrets and the vendor's texts."""
        rows = await fetch(harness.database, harness.tenant, "select * from audit")
        replays = await fetch(harness.database, harness.tenant, "select * from idempotent_call")
        logged = [f"{record.getMessage()} {record.__dict__}" for record in caplog.records]
        traced = [span.to_json() for span in spans.get_finished_spans()]
        assert len(rows) >= len(answers)
        assert traced
        for place in map(str, (answers, rows, replays, logged, traced)):
            assert CANARY not in place
            assert BODY_CANARY not in place
        assert self.personal is None or self.personal not in f"{rows}{traced}"

    async def test_a_vendor_that_asks_for_patience_gets_it(self, harness: H) -> None:
        tool, arguments = await self.any_call(harness)
        harness.breakers.disabled = False
        async with harness.caller() as caller:
            harness.vendor.fail(refused(429, **{"Retry-After": "0"}))
            answer = await caller.call(tool, key=str(uuid4()), **arguments)
            assert answer.error is None, answer
            harness.vendor.fail(refused(429, **{"Retry-After": "3600"}))
            asked = len(harness.vendor.requests)
            for _ in range(2):
                answer = await caller.call(tool, key=str(uuid4()), **arguments)
                assert answer.error == "rate_limited"
        assert len(harness.vendor.requests) == asked + 1

    async def test_a_vendor_that_is_down_is_left_alone_for_a_while(self, harness: H) -> None:
        tool, arguments = await self.any_call(harness)
        harness.breakers.disabled = False
        before = len(harness.vendor.requests)
        async with harness.caller() as caller:
            harness.vendor.fail(refused(503), times=MANY)
            asked: list[int] = []
            while len(asked) < 2 or asked[-1] > asked[-2]:
                assert len(asked) < 7
                answer = await caller.call(tool, key=str(uuid4()), **arguments)
                assert answer.error == "unavailable"
                asked.append(len(harness.vendor.requests) - before)
        assert asked[-1] <= 6


C = TypeVar("C", bound=VendorContract[Any])


def vendor_contracts(contract: type[C]) -> list[type[C]]:
    """Return the subclass of a server's contract that each of its vendors has, from its test."""
    server, found = contract.spec.name, list[type[C]]()
    for name in contract.spec.providers.keys() - {"builtin"}:
        folder = Path(__file__).parents[1] / server / "providers"
        module = f"{name}.test_provider" if (folder / name).is_dir() else f"test_{name}"
        tests = importlib.import_module(f"tests.{server}.providers.{module}")
        classes = [each for each in vars(tests).values() if isinstance(each, type)]
        (suite,) = (each for each in classes if _tests_vendor(each, contract, name))
        found.append(suite)
    return sorted(found, key=lambda each: each.provider)


def _tests_vendor(suite: type, contract: type[C], name: str) -> TypeGuard[type[C]]:
    return issubclass(suite, contract) and suite is not contract and suite.provider == name
