"""What every CRM vendor must do, written once: seen over MCP, with the vendor played.

How a vendor's test uses it:

* `class Acme(Crm)`: the vendor with a memory. `answer(request)` plays it
  (`tests/support/vendors.py`); `held(kind)` returns what it holds in OUR words
  (`crm.provider.WORDS`), each with its `id` and the
  tenant's own fields under `fields`. Dates and moments in ISO 8601, moments aware; what is not
  there is left out. A vendor that reads with POST names `reading_posts`.
* `class TestAcme(CrmContract)`: `provider`, `secrets` (each with CANARY in it), `settings`,
  `unsupported` (the tools that it has no counterpart for) and `new_vendor()`.
* Where the vendor wants other values than `samples.py` gives: `create_with` and `update_with`, by
  kind and argument of the tool; None leaves an argument out.
* `custom`: the name of a field of the tenant's own, and two values of it; None where there are
  none. It is tried on leads, or the first kind that can be shown.
* `blind_for`: the kinds for which the vendor cannot be asked whether a lost create was done.
* `loosely`: the sample lead's name as it may be misheard.
* `statement`: a `raw_query` with an answer.
* `lose(vendor)`, `condition(kind, title)` and `expected(tool, fault)` say what is so by default.
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
from tests.crm.line import TOOLS, Crm, Line
from tests.crm.samples import HOSTILE, title_word
from tests.crm.scenario import CrmScenario
from tests.support.accounts import connect
from tests.support.faults import FAULTS, READ_ERRORS, UNSURE, WRITE_ERRORS, Patient
from tests.support.servers import Caller, Servers
from tests.support.vendors import BODY_CANARY, Exchange, refused, timed_out

__all__ = ["CANARY", "Crm", "CrmContract", "Line"]

CANARY = "canary-7f3a9"  # part of every secret; it may turn up nowhere
MANY = 999  # requests


class CrmContract(CrmScenario):
    """Subclass with a vendor."""

    secrets: ClassVar[dict[str, str]]
    settings: ClassVar[dict[str, Any]] = {}
    blind_for: ClassVar[frozenset[Kind]] = frozenset()

    def new_vendor(self) -> Crm:
        """Return the vendor, without any record."""
        raise NotImplementedError

    def lose(self, vendor: Crm) -> None:
        """Let the answer to a create be lost, after it was done."""
        vendor.fail(timed_out, writes=True, done=True)

    def expected(self, tool: str, fault: str) -> Sequence[str | None]:
        """Return the errors that a tool may answer to a fault; None is no error."""
        if tool.startswith(("create", "update")):
            return (WRITE_ERRORS[fault],)
        # A search that finds nothing is a 404 at some vendors.
        empty = (None,) if fault == "404" and tool in ("search", "query") else ()
        return (READ_ERRORS[fault], *empty)

    @pytest.fixture(autouse=True)
    def _without_pauses(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("toolkit.http.client._PAUSE", 0.0)

    @pytest_asyncio.fixture
    async def line(
        self, exchange: Exchange, breakers: Patient, patient: Servers, database: Database
    ) -> Line:
        """A tenant who is connected to the vendor."""
        exchange.vendor = vendor = self.new_vendor()
        breakers.forgets = True
        tenant = await new_tenant(database)
        await connect(database, tenant, "crm", self.provider, self.secrets, self.settings)
        return Line(patient, tenant, vendor, database, breakers)

    async def test_it_lists_what_the_vendor_can_do(self, line: Line) -> None:
        assert set(PROVIDERS[self.provider].unsupported) == self.unsupported
        async with line.caller() as caller:
            assert set(await caller.tools()) == {*TOOLS} - self.unsupported
            for name in self.unsupported:
                assert (await caller.call(name)).error == "unknown_tool"
            for kind in set(KINDS) - {*self.kinds("get"), *self.kinds()}:
                if self.can("query"):
                    assert (await caller.call("query", kind=kind)).error == "rejected", kind
                if self.can("search"):
                    found = await caller.call("search", text="Tom Hill", kind=kind)
                    assert found.error in (None, "rejected"), kind
        async with line.servers.connect("crm", line.tenant.claims()) as caller:
            assert "raw_query" not in await caller.tools()
            assert (await caller.call("raw_query", statement="x")).error == "unknown_tool"

    async def test_every_tool_says_what_failed_and_tells_nothing(
        self, line: Line, caplog: pytest.LogCaptureFixture, spans: InMemorySpanExporter
    ) -> None:
        caplog.set_level(logging.DEBUG)
        async with line.caller() as caller:
            cells = self.cells(await self.created(line, caller))
        before = {kind: line.vendor.held(kind) for kind in self.kinds()}
        # Outside of a conversation a repeated write is a new one.
        claims = line.tenant.claims(tools=TOOLS)
        async with line.servers.connect("crm", claims) as caller:
            for fault in FAULTS:
                await self.all_fail(line, caller, cells, fault, writes=None)
                await self.all_fail(line, caller, cells, fault, writes=True)
        assert {kind: line.vendor.held(kind) for kind in self.kinds()} == before
        rows = await fetch(line.database, line.tenant, "select * from audit")
        kept = await fetch(line.database, line.tenant, "select * from idempotent_call")
        logged = [f"{record.getMessage()} {record.__dict__}" for record in caplog.records]
        traced = [span.to_json() for span in spans.get_finished_spans()]
        assert rows
        assert traced
        for place in (rows, kept, logged, traced):
            assert CANARY not in str(place)
            assert BODY_CANARY not in str(place)
        assert "Tom Hill" not in str(rows) + str(traced)

    async def all_fail(
        self,
        line: Line,
        caller: Caller,
        cells: Mapping[str, Mapping[str, Any]],
        fault: str,
        *,
        writes: bool | None,
    ) -> None:
        """Call every tool that writes, or every other one, while the vendor fails."""
        of_writes = ("create", "update")
        tools = [tool for tool in cells if tool.startswith(of_writes) == bool(writes)]
        sent = len(line.vendor.written())
        line.vendor.fail(FAULTS[fault], writes=writes, times=MANY)
        answers = await asyncio.gather(*(caller.call(tool, **cells[tool]) for tool in tools))
        line.vendor.recover()
        for tool, answer in zip(tools, answers, strict=True):
            assert answer.error in self.expected(tool, fault), (tool, fault, answer)
            assert answer.error is None or "Tell the caller:" in answer.text
            assert CANARY not in str(answer)
            assert BODY_CANARY not in str(answer)
        if writes and fault in UNSURE:
            assert len(line.vendor.written()) == sent + len(tools), "a write was sent again"

    async def test_a_vendor_that_asks_for_patience_gets_it(self, line: Line) -> None:
        line.breakers.forgets = False
        async with line.caller() as caller:
            tool, arguments = await self.some_tool(line, caller)
            line.vendor.fail(refused(429, **{"Retry-After": "0"}))
            await line.done(caller, tool, key=str(uuid4()), **arguments)
            line.vendor.fail(refused(429, **{"Retry-After": "3600"}))
            asked = len(line.vendor.requests)
            for _ in range(2):
                answer = await caller.call(tool, key=str(uuid4()), **arguments)
                assert answer.error == "rate_limited"
        assert len(line.vendor.requests) == asked + 1

    async def test_a_vendor_that_is_down_is_left_alone_for_a_while(self, line: Line) -> None:
        line.breakers.forgets = False
        async with line.caller() as caller:
            tool, arguments = await self.some_tool(line, caller)
            line.vendor.fail(refused(503), times=MANY)
            asked: list[int] = []
            while len(asked) < 2 or asked[-1] > asked[-2]:
                assert len(asked) < 7
                answer = await caller.call(tool, key=str(uuid4()), **arguments)
                assert answer.error == "unavailable"
                asked.append(len(line.vendor.requests))

    async def some_tool(self, line: Line, caller: Caller) -> tuple[str, dict[str, Any]]:
        """Return a tool that asks the vendor, a reading one if there is one."""
        kind = self.kinds()[0]
        made = await line.done(caller, f"create_{kind}", **self.creating(kind, {}))
        if self.can(f"get_{kind}"):
            return f"get_{kind}", {kind: made.data["id"]}
        return f"update_{kind}", {kind: made.data["id"], **self.changing(kind)}

    async def test_a_create_whose_answer_was_lost_is_not_repeated(self, line: Line) -> None:
        for kind in self.kinds():
            tool, arguments = f"create_{kind}", self.creating(kind, {})
            self.lose(line.vendor)
            async with line.caller() as caller:
                assert (await caller.call(tool, **arguments)).error == "outcome_unknown", kind
                there = line.one(kind)
                assert (await caller.call(tool, **arguments)).error == "outcome_unknown", kind
                await line.lose_time()
                again = await caller.call(tool, **arguments)
                if kind in self.blind_for:
                    assert again.error == "outcome_unknown", kind
                else:
                    assert again.error is None, (kind, again)
                    assert again.data["id"] == there["id"]
            line.one(kind)

    async def test_a_create_that_was_not_done_is_done_on_the_second_try(self, line: Line) -> None:
        """What another caller, or this one, created meanwhile is not taken for it."""
        for kind in self.kinds():
            tool, mine, other = f"create_{kind}", self.creating(kind, {}), self.another(kind)
            line.vendor.fail(timed_out, writes=True)
            async with line.caller() as caller:
                assert (await caller.call(tool, **mine)).error == "outcome_unknown", kind
                assert line.vendor.held(kind) == []
                await line.done(caller, tool, **other)
                await line.lose_time()
                again = await caller.call(tool, **mine)
            blind = kind in self.blind_for
            assert again.error == ("outcome_unknown" if blind else None), (kind, again)
            assert len(line.vendor.held(kind)) == (1 if blind else 2), kind

    async def test_two_who_want_the_like_are_two(self, line: Line) -> None:
        kind = self.kinds()[0]
        ids: set[str] = set()
        for arguments in (self.creating(kind, {}), self.another(kind)):
            async with line.caller() as caller:
                ids.add((await line.done(caller, f"create_{kind}", **arguments)).data["id"])
        assert {each["id"] for each in line.vendor.held(kind)} == ids
        assert len(ids) == 2

    async def test_who_wants_the_very_same_later_gets_it(self, line: Line) -> None:
        """Only a lost try is looked for: an equal task in another conversation is another task."""
        for kind in self.kinds():
            if kind not in ("task", "event", "case"):  # vendors keep people unique
                continue
            arguments = self.creating(kind, {})
            for _ in range(2):
                async with line.caller() as caller:
                    await line.done(caller, f"create_{kind}", **arguments)
            assert len({each["id"] for each in line.vendor.held(kind)}) == 2

    def another(self, kind: Kind) -> dict[str, Any]:
        """Return the arguments that create a second record."""
        arguments = {**self.creating(kind, {}), title_word(kind): "Mona Field"}
        changes = {"phone": "+49 40 777 0123", "email": "mona.field@example.com"}
        return arguments | {word: new for word, new in changes.items() if word in arguments}

    async def test_what_is_not_there_is_not_found(self, line: Line) -> None:
        async with line.caller() as caller:
            for kind in self.kinds():
                hostile = HOSTILE if kind == self.kinds()[0] else HOSTILE[:2]
                for reference in hostile:
                    for verb, changes in (("get", {}), ("update", self.changing(kind))):
                        if self.can(f"{verb}_{kind}"):
                            arguments = {kind: reference, **changes}
                            answer = await caller.call(f"{verb}_{kind}", **arguments)
                            assert answer.error == "not_found", (verb, kind, reference, answer)
