"""The tests that every CRM vendor has to pass, over MCP, with a fake of the vendor.

A vendor's test module has

* `class FakeAcme(FakeCrm)`: a fake of the vendor. `answer(request)` responds to a request
  (`tests/support/vendors.py`), and `records(kind)` returns what it stores, by standard field
  (`crm.provider.STANDARD_FIELDS`): dates and datetimes in ISO 8601, datetimes aware, nothing
  empty. A vendor that has reading POSTs names them in `reading_posts`.
* `class TestAcme(CrmContract)`: `provider`, `secrets` (each with CANARY in it), `settings`,
  `unsupported` (the tools that the vendor has no counterpart for) and `new_vendor()`.
* `create_with` and `update_with`, by kind and argument, where the vendor needs other values than
  those of `samples.py`; None leaves an argument out.
* `custom_field`: the name of a custom field and two values of it, None where there are none. It
  is used on leads, or on the first kind that can be created.
* `cannot_find_lost`: the kinds of which a lost create cannot be found.
* `misheard_name`: the sample lead's name as it may be misheard.
* `raw_statement`: a statement for `raw_query` that returns rows.

`lose_answer(vendor)`, `title_filters(kind, title)` and `expected_errors(tool, fault)` have the
usual behaviour and can be overridden.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from uuid import uuid4

import pytest
import pytest_asyncio
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from config.database import Database
from crm.provider import KINDS, Kind
from crm.registry import PROVIDERS
from tests.conftest import fetch, new_tenant
from tests.crm.harness import TOOLS, CrmHarness, FakeCrm
from tests.crm.samples import HOSTILE, title_field
from tests.crm.scenario import CrmScenario
from tests.support.accounts import connect
from tests.support.faults import FAULTS, READ_ERRORS, UNSURE, WRITE_ERRORS, SwitchableBreakers
from tests.support.servers import Caller, Servers
from tests.support.vendors import BODY_CANARY, Exchange, refused, timed_out

__all__ = ["CANARY", "CrmContract", "CrmHarness", "FakeCrm"]

CANARY = "canary-7f3a9"  # part of every secret; it may turn up nowhere
MANY = 999  # times that a fault occurs


class CrmContract(CrmScenario):
    """The contract; a vendor's test subclasses it."""

    secrets: ClassVar[dict[str, str]]
    settings: ClassVar[dict[str, Any]] = {}
    cannot_find_lost: ClassVar[frozenset[Kind]] = frozenset()

    def new_vendor(self) -> FakeCrm:
        """Return the fake vendor without any records."""
        raise NotImplementedError

    def lose_answer(self, vendor: FakeCrm) -> None:
        """Lose the response to the next create, after it was done."""
        vendor.fail(timed_out, writes=True, done=True)

    def expected_errors(self, tool: str, fault: str) -> Sequence[str | None]:
        """Return the errors that a tool may return on a fault; None stands for no error."""
        if tool.startswith(("create", "update")):
            return (WRITE_ERRORS[fault],)
        # Some vendors respond with a 404 to a search without results.
        empty = (None,) if fault == "404" and tool in ("search", "query") else ()
        return (READ_ERRORS[fault], *empty)

    @pytest_asyncio.fixture
    async def harness(
        self,
        exchange: Exchange,
        breakers: SwitchableBreakers,
        vendor_servers: Servers,
        database: Database,
    ) -> CrmHarness:
        """A tenant that is connected to a new fake vendor."""
        exchange.vendor = vendor = self.new_vendor()
        breakers.forgets = True
        tenant = await new_tenant(database)
        await connect(database, tenant, "crm", self.provider, self.secrets, self.settings)
        return CrmHarness(vendor_servers, tenant, vendor, database, breakers)

    async def test_it_lists_what_the_vendor_can_do(self, harness: CrmHarness) -> None:
        assert set(PROVIDERS[self.provider].unsupported) == self.unsupported
        async with harness.caller() as caller:
            assert set(await caller.tools()) == {*TOOLS} - self.unsupported
            for name in self.unsupported:
                assert (await caller.call(name)).error == "unknown_tool"
            for kind in set(KINDS) - {*self.kinds("get"), *self.kinds()}:
                if self.supports("query"):
                    assert (await caller.call("query", kind=kind)).error == "rejected", kind
                if self.supports("search"):
                    found = await caller.call("search", text="Tom Hill", kind=kind)
                    assert found.error in (None, "rejected"), kind
        async with harness.servers.connect("crm", harness.tenant.claims()) as caller:
            assert "raw_query" not in await caller.tools()
            assert (await caller.call("raw_query", statement="x")).error == "unknown_tool"

    async def test_every_tool_says_what_failed_and_tells_nothing(
        self, harness: CrmHarness, caplog: pytest.LogCaptureFixture, spans: InMemorySpanExporter
    ) -> None:
        caplog.set_level(logging.DEBUG)
        async with harness.caller() as caller:
            arguments = self.arguments_by_tool(await self.create_all(harness, caller))
        before = {kind: harness.vendor.records(kind) for kind in self.kinds()}
        # Outside of a conversation a repeated write is not a retry.
        claims = harness.tenant.claims(tools=TOOLS)
        async with harness.servers.connect("crm", claims) as caller:
            for fault in FAULTS:
                await self.check_failures(harness, caller, arguments, fault, writes=None)
                await self.check_failures(harness, caller, arguments, fault, writes=True)
        assert {kind: harness.vendor.records(kind) for kind in self.kinds()} == before
        rows = await fetch(harness.database, harness.tenant, "select * from audit")
        replayable = await fetch(harness.database, harness.tenant, "select * from idempotent_call")
        logged = [f"{record.getMessage()} {record.__dict__}" for record in caplog.records]
        traced = [span.to_json() for span in spans.get_finished_spans()]
        assert rows
        assert traced
        for place in (rows, replayable, logged, traced):
            assert CANARY not in str(place)
            assert BODY_CANARY not in str(place)
        assert "Tom Hill" not in str(rows) + str(traced)

    async def check_failures(
        self,
        harness: CrmHarness,
        caller: Caller,
        arguments: Mapping[str, Mapping[str, Any]],
        fault: str,
        *,
        writes: bool | None,
    ) -> None:
        """Call every tool that writes, or every one that reads, while the vendor fails."""
        tools = [
            tool for tool in arguments if tool.startswith(("create", "update")) == bool(writes)
        ]
        sent = len(harness.vendor.written())
        harness.vendor.fail(FAULTS[fault], writes=writes, times=MANY)
        answers = await asyncio.gather(*(caller.call(tool, **arguments[tool]) for tool in tools))
        harness.vendor.recover()
        for tool, answer in zip(tools, answers, strict=True):
            assert answer.error in self.expected_errors(tool, fault), (tool, fault, answer)
            assert answer.error is None or "Tell the caller:" in answer.text
            assert CANARY not in str(answer)
            assert BODY_CANARY not in str(answer)
        if writes and fault in UNSURE:
            assert len(harness.vendor.written()) == sent + len(tools), "a write was sent again"

    async def test_a_vendor_that_asks_for_patience_gets_it(self, harness: CrmHarness) -> None:
        harness.breakers.forgets = False
        async with harness.caller() as caller:
            tool, arguments = await self.any_tool(harness, caller)
            harness.vendor.fail(refused(429, **{"Retry-After": "0"}))
            await harness.call_ok(caller, tool, key=str(uuid4()), **arguments)
            harness.vendor.fail(refused(429, **{"Retry-After": "3600"}))
            asked = len(harness.vendor.requests)
            for _ in range(2):
                answer = await caller.call(tool, key=str(uuid4()), **arguments)
                assert answer.error == "rate_limited"
        assert len(harness.vendor.requests) == asked + 1

    async def test_a_vendor_that_is_down_is_left_alone_for_a_while(
        self, harness: CrmHarness
    ) -> None:
        harness.breakers.forgets = False
        async with harness.caller() as caller:
            tool, arguments = await self.any_tool(harness, caller)
            harness.vendor.fail(refused(503), times=MANY)
            asked: list[int] = []
            while len(asked) < 2 or asked[-1] > asked[-2]:
                assert len(asked) < 7
                answer = await caller.call(tool, key=str(uuid4()), **arguments)
                assert answer.error == "unavailable"
                asked.append(len(harness.vendor.requests))

    async def any_tool(self, harness: CrmHarness, caller: Caller) -> tuple[str, dict[str, Any]]:
        """Return a tool that sends a request, and its arguments; one that reads if there is one."""
        kind = self.kinds()[0]
        made = await harness.call_ok(caller, f"create_{kind}", **self.create_arguments(kind, {}))
        if self.supports(f"get_{kind}"):
            return f"get_{kind}", {kind: made.data["id"]}
        return f"update_{kind}", {kind: made.data["id"], **self.update_arguments(kind)}

    async def test_a_create_whose_answer_was_lost_is_not_repeated(
        self, harness: CrmHarness
    ) -> None:
        for kind in self.kinds():
            tool, arguments = f"create_{kind}", self.create_arguments(kind, {})
            self.lose_answer(harness.vendor)
            async with harness.caller() as caller:
                assert (await caller.call(tool, **arguments)).error == "outcome_unknown", kind
                stored = harness.only_record(kind)
                assert (await caller.call(tool, **arguments)).error == "outcome_unknown", kind
                await harness.let_time_pass()
                retried = await caller.call(tool, **arguments)
                if kind in self.cannot_find_lost:
                    assert retried.error == "outcome_unknown", kind
                else:
                    assert retried.error is None, (kind, retried)
                    assert retried.data["id"] == stored["id"]
            harness.only_record(kind)

    async def test_a_create_that_was_not_done_is_done_on_the_second_try(
        self, harness: CrmHarness
    ) -> None:
        """A record that somebody created meanwhile is not taken for the lost one."""
        for kind in self.kinds():
            tool, mine, other = (
                f"create_{kind}",
                self.create_arguments(kind, {}),
                self.other_arguments(kind),
            )
            harness.vendor.fail(timed_out, writes=True)
            async with harness.caller() as caller:
                assert (await caller.call(tool, **mine)).error == "outcome_unknown", kind
                assert harness.vendor.records(kind) == []
                await harness.call_ok(caller, tool, **other)
                await harness.let_time_pass()
                retried = await caller.call(tool, **mine)
            unknown = kind in self.cannot_find_lost
            assert retried.error == ("outcome_unknown" if unknown else None), (kind, retried)
            assert len(harness.vendor.records(kind)) == (1 if unknown else 2), kind

    async def test_two_who_want_the_like_are_two(self, harness: CrmHarness) -> None:
        kind = self.kinds()[0]
        ids: set[str] = set()
        for arguments in (self.create_arguments(kind, {}), self.other_arguments(kind)):
            async with harness.caller() as caller:
                ids.add((await harness.call_ok(caller, f"create_{kind}", **arguments)).data["id"])
        assert {each["id"] for each in harness.vendor.records(kind)} == ids
        assert len(ids) == 2

    async def test_who_wants_the_very_same_later_gets_it(self, harness: CrmHarness) -> None:
        """Only a lost create is searched for: an equal task in another conversation is another."""
        for kind in self.kinds():
            if kind not in ("task", "event", "case"):  # vendors keep people unique
                continue
            arguments = self.create_arguments(kind, {})
            for _ in range(2):
                async with harness.caller() as caller:
                    await harness.call_ok(caller, f"create_{kind}", **arguments)
            assert len({each["id"] for each in harness.vendor.records(kind)}) == 2

    def other_arguments(self, kind: Kind) -> dict[str, Any]:
        """Return the arguments that create another record."""
        arguments = {**self.create_arguments(kind, {}), title_field(kind): "Mona Field"}
        changes = {"phone": "+49 40 777 0123", "email": "mona.field@example.com"}
        return arguments | {name: new for name, new in changes.items() if name in arguments}

    async def test_what_is_not_there_is_not_found(self, harness: CrmHarness) -> None:
        async with harness.caller() as caller:
            for kind in self.kinds():
                hostile = HOSTILE if kind == self.kinds()[0] else HOSTILE[:2]
                for reference in hostile:
                    for verb, changes in (("get", {}), ("update", self.update_arguments(kind))):
                        if self.supports(f"{verb}_{kind}"):
                            arguments = {kind: reference, **changes}
                            answer = await caller.call(f"{verb}_{kind}", **arguments)
                            assert answer.error == "not_found", (verb, kind, reference, answer)
