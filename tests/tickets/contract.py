"""What every ticket provider must do: tests over MCP, with a fake vendor.

A vendor's test module has a subclass of `TicketsContract`, with a fake vendor that is a
`tests.tickets.double.TicketVendor`. Class variables say in what vendors differ:

* `provider`, `secrets`, `settings`: the account, whose secrets hold `CANARY`.
* `unsupported`: the tools that the provider does not list.
* `blind`: which of create_ticket, add_comment and create_user cannot be looked for afterwards.
* `phones`: whether users have phone numbers there.
* `has_jobs`: whether many tickets are created in a job of the vendor's, which is polled;
  `TicketVendor.slow_jobs` then keeps a job from ending.
* `exceptions`: further errors that a tool may report for a fault, by (tool, fault), where this
  vendor has a good reason; None is success.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar
from uuid import uuid4

import httpx2
import pytest
import pytest_asyncio
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from redis.asyncio import Redis

from config.database import Database
from config.security.tokens import Signer
from config.security.vault import Account, DatabaseVault
from tests.conftest import fetch, new_tenant
from tests.support.accounts import connect
from tests.support.faults import FAULTS, UNSURE
from tests.support.processes import in_one_task
from tests.support.servers import KEYRING, Answer, Servers, serve
from tests.support.vendors import BODY_CANARY, Exchange, refused, timed_out
from tests.tickets.connected_tenant import ConnectedTenant
from tests.tickets.double import NO_PAUSES, TicketVendor
from tests.tickets.scenario import use_everything
from tests.tickets.tool_cases import (
    BULK_TOOLS,
    HOSTILE_IDS,
    ID_ARGUMENTS,
    READ_TOOLS,
    expected_errors,
    valid_arguments,
)
from tests.tickets.tool_session import UNKNOWN_ID, ToolSession
from tickets.registry import PROVIDERS
from tickets.server import SERVER
from toolkit.errors import Disconnected
from toolkit.tenancy import Runtime, ToolCall

CANARY = "canary-7f3a9"  # part of every secret; it must not leak


class TicketsContract:
    """Subclass with a vendor."""

    provider: ClassVar[str]
    secrets: ClassVar[dict[str, str]]
    settings: ClassVar[dict[str, Any]] = {}
    unsupported: ClassVar[frozenset[str]] = frozenset()
    blind: ClassVar[frozenset[str]] = frozenset()
    phones: ClassVar[bool] = True
    has_jobs: ClassVar[bool] = False
    exceptions: ClassVar[Mapping[tuple[str, str], frozenset[str | None]]] = {}

    def new_vendor(self) -> TicketVendor:
        """Return the fake vendor, without seeded records."""
        raise NotImplementedError

    @pytest_asyncio.fixture
    async def connected(
        self, exchange: Exchange, uncached_servers: Servers, database: Database
    ) -> ConnectedTenant:
        """A tenant who is connected to the vendor."""
        exchange.vendor = vendor = self.new_vendor()
        seed, tenant = vendor.seed(), await new_tenant(database)
        await connect(database, tenant, "tickets", self.provider, self.secrets, self.settings)
        return ConnectedTenant(uncached_servers, tenant, vendor, database, seed)

    @property
    def supported(self) -> set[str]:
        """Return the tools that the vendor has."""
        return set(SERVER.catalogue()["tools"]) - self.unsupported

    async def test_it_lists_what_the_vendor_can_do(self, connected: ConnectedTenant) -> None:
        async with connected.caller() as caller:
            tools = await caller.tools()
            for name in self.unsupported:
                assert (await caller.call(name)).error == "unknown_tool"
        assert set(tools) == self.supported
        assert connected.vendor.requests == []

    async def test_an_account_is_tried_with_one_harmless_request(
        self, connected: ConnectedTenant
    ) -> None:
        account = Account(self.provider, self.provider, self.secrets, self.settings)
        async with httpx2.AsyncClient(transport=connected.vendor.transport()) as client:
            vault = DatabaseVault(connected.database, KEYRING)
            runtime = Runtime(client, vault, connected.database, **NO_PAUSES)
            call = ToolCall(connected.tenant.claims(), runtime)
            await PROVIDERS[self.provider](account, call).check()
            assert connected.vendor.written() == []
            assert connected.vendor.requests
            connected.vendor.fail(refused(401), times=9)
            with pytest.raises(Disconnected):
                await PROVIDERS[self.provider](account, call).check()

    async def test_every_tool_does_what_it_says(self, connected: ConnectedTenant) -> None:
        async with connected.caller() as caller:
            session = ToolSession(connected, caller, self.unsupported, self.phones)
            await use_everything(session)
        assert session.used == self.supported

    async def test_every_tool_meets_every_fault(
        self,
        connected: ConnectedTenant,
        caplog: pytest.LogCaptureFixture,
        spans: InMemorySpanExporter,
    ) -> None:
        caplog.set_level(logging.DEBUG)
        before, answers, wrong = await connected.snapshot(), list[Answer](), list[Any]()
        async with connected.client() as caller:
            for tool in sorted(self.supported):
                for name, fault in FAULTS.items():
                    connected.vendor.fail(
                        fault, writes=None if tool in READ_TOOLS else True, times=9
                    )
                    connected.vendor.requests.clear()
                    values = valid_arguments(connected.seed)[tool]
                    # A repeat matters where the outcome is not known.
                    key = str(uuid4()) if name in UNSURE else None
                    answer = await caller.call(tool, key=key, **values)
                    connected.vendor.recover()
                    answers.append(answer)
                    allowed = expected_errors(tool, name) | self.exceptions.get(
                        (tool, name), frozenset()
                    )
                    if answer.error not in allowed:
                        wrong.append((tool, name, answer, allowed))
                    elif answer.error is None and tool in BULK_TOOLS:
                        assert answer.data["done"] == 0, (tool, name, answer)
                        assert answer.data["refused"], (tool, name, answer)
                    if tool not in READ_TOOLS and name in UNSURE:
                        assert len(connected.vendor.written()) == 1, (tool, name)
        assert wrong == []
        assert await connected.snapshot() == before
        await self.assert_nothing_leaks(connected, answers, caplog, spans)

    async def assert_nothing_leaks(
        self,
        connected: ConnectedTenant,
        answers: list[Answer],
        caplog: pytest.LogCaptureFixture,
        spans: InMemorySpanExporter,
    ) -> None:
        """Search what is stored, logged, traced and returned for secrets and the vendor's texts."""
        rows = await fetch(connected.database, connected.tenant, "select * from audit")
        stored = await fetch(connected.database, connected.tenant, "select * from idempotent_call")
        logged = [f"{record.getMessage()} {record.__dict__}" for record in caplog.records]
        traced = [span.to_json() for span in spans.get_finished_spans()]
        assert rows
        assert traced
        for place in map(str, (answers, rows, stored, logged, traced)):
            assert CANARY not in place
            assert BODY_CANARY not in place
        assert "Brandt" not in f"{rows}{traced}"

    async def test_a_vendor_that_asks_for_patience_gets_it(
        self, connected: ConnectedTenant
    ) -> None:
        rate_limited = refused(429, **{"Retry-After": "0"})
        async with connected.caller() as caller:
            connected.vendor.fail(rate_limited)
            assert (await caller.call("list_tickets")).error is None
            connected.vendor.fail(rate_limited, writes=True)
            values = valid_arguments(connected.seed)["create_ticket"]
            assert (await caller.call("create_ticket", **values)).error is None

    async def test_a_create_whose_answer_was_lost_is_found_and_not_repeated(
        self, connected: ConnectedTenant
    ) -> None:
        seed, conversation = connected.seed, uuid4()
        creates: dict[str, tuple[dict[str, Any], Callable[[], Awaitable[list[Any]]]]] = {
            "create_ticket": (valid_arguments(seed)["create_ticket"], connected.list_tickets),
            "add_comment": (
                valid_arguments(seed)["add_comment"],
                lambda: connected.list_comments(seed.oven),
            ),
            "create_user": (valid_arguments(seed)["create_user"], connected.list_users),
        }
        for tool in sorted(self.supported & creates.keys()):
            values, fetch_all = creates[tool]
            before = len(await fetch_all())
            async with connected.caller(conversation) as caller:
                connected.vendor.fail(timed_out, writes=True, done=True)
                assert (await caller.call(tool, **values)).error == "outcome_unknown", tool
                assert len(await fetch_all()) == before + 1, tool
                assert (await caller.call(tool, **values)).error == "outcome_unknown", tool
                await connected.lose_time()
                other = await caller.call(tool, **_similar(values))
                assert other.error is None, (tool, other)
                assert len(await fetch_all()) == before + 2, tool
                retried = await caller.call(tool, **values)
                if tool in self.blind:
                    assert retried.error == "outcome_unknown", (tool, retried)
                else:
                    assert retried.error is None, (tool, retried)
                    assert retried.data["id"] != other.data["id"], tool
                assert len(await fetch_all()) == before + 2, tool

    async def test_two_who_want_the_same_are_two(self, connected: ConnectedTenant) -> None:
        """Only a retry finds a ticket: another caller's is not taken for one's own."""
        before, values = (
            len(await connected.list_tickets()),
            valid_arguments(connected.seed)["create_ticket"],
        )
        ids: set[str] = set()
        for _ in range(2):
            async with connected.caller() as caller:
                ids.add((await caller.call("create_ticket", **values)).data["id"])
        assert len(ids) == 2
        assert len(await connected.list_tickets()) == before + 2

    async def test_people_are_found_however_they_are_said(self, connected: ConnectedTenant) -> None:
        texts = ["Catherine Brandt", "brandt", "KATHERINE.BRANDT@BAKERY.EXAMPLE"]
        if self.phones:
            texts += ["0049 30 555 01 42", "030 5550142", "plus four nine three oh 5550142"]
        async with connected.caller() as caller:
            for each in texts:
                answer = await caller.call("search_users", text=each)
                assert answer.error is None, (each, answer)
                found = [row["id"] for row in answer.data["users"]]
                assert found == [connected.seed.katherine], (each, answer)

    async def test_an_id_that_is_none_is_not_found(self, connected: ConnectedTenant) -> None:
        before = await connected.snapshot()
        async with connected.client() as caller:
            for tool in sorted(self.supported & ID_ARGUMENTS.keys()):
                name, values = ID_ARGUMENTS[tool], valid_arguments(connected.seed)[tool]
                for hostile in (*HOSTILE_IDS, UNKNOWN_ID):
                    value = [hostile] if isinstance(values[name], list) else hostile
                    answer = await caller.call(tool, key=str(uuid4()), **{**values, name: value})
                    if isinstance(value, list):
                        assert answer.error in (None, "not_found"), (tool, hostile, answer)
                        assert not answer.data.get("done"), (tool, hostile, answer)
                        continue
                    assert answer.error == "not_found", (tool, hostile, answer)
        assert await connected.snapshot() == before

    async def test_what_many_could_not_do_is_told(self, connected: ConnectedTenant) -> None:
        if "update_many_tickets" not in self.supported:
            pytest.skip("There is nothing of that kind.")
        async with connected.caller() as caller:
            answer = await caller.call(
                "update_many_tickets", tickets=[connected.seed.scale, UNKNOWN_ID], priority="urgent"
            )
        assert answer.error is None, answer
        assert answer.data["done"] == 1, answer
        assert [*answer.data["refused"]] == [UNKNOWN_ID], answer
        (scale,) = [
            each for each in await connected.list_tickets() if each["id"] == connected.seed.scale
        ]
        assert scale["priority"] == "urgent"

    async def test_a_job_that_goes_on_is_named(
        self, connected: ConnectedTenant, exchange: Exchange, signer: Signer, cache: Redis
    ) -> None:
        if not self.has_jobs:
            pytest.skip("The vendor has no jobs.")
        connected.vendor.slow_jobs = True
        # With time for one request for the job's state, and none for a second.
        serving = serve(
            [SERVER], signer, connected.database, cache, vendors=exchange, first_poll_pause=99.0
        )
        async with (
            in_one_task(serving) as servers,
            replace(connected, servers=servers).caller() as caller,
        ):
            values = valid_arguments(connected.seed)["create_many_tickets"]
            answer = await caller.call("create_many_tickets", **values)
        assert answer.error is None, answer
        assert answer.data["done"] == 0
        assert answer.data["job"]
        assert answer.data["job"] in answer.data["say"]


def _similar(values: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of another create, of a similar record."""
    changes = {"text": "Quite another thing.", "email": "somebody.else@example.org"}
    changed = {name: value for name, value in changes.items() if name in values}
    subject = {"subject": "Mixer hums"} if "subject" in values else {}
    name = {"name": "Somebody Else"} if "name" in values else {}
    return {**values, **changed, **subject, **name}
