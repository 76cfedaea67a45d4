"""What every ticket desk must do, written once: seen over MCP, with the vendor played.

A vendor's test plays the vendor as a `tests.tickets.double.Desk` and subclasses `TicketsContract`
with it; pytest collects the rest. What vendors differ in is said with class variables:

* `provider`, `secrets`, `settings`: the account, whose secrets hold `CANARY`.
* `unsupported`: the tools that the provider does not list.
* `blind`: which of create_ticket, add_comment and create_user cannot be looked for afterwards.
* `phones`: whether users have phone numbers there.
* `has_jobs`: whether many tickets are created in a job of the vendor's, followed with
  `toolkit.http.polling.followed`; `Desk.slow_jobs` then keeps a job from ending.
* `exceptions`: what a tool may answer besides at a fault, by (tool, fault), where this vendor
  has a good reason; None is success.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar
from uuid import uuid4

import httpx2
import pytest
import pytest_asyncio
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from config.database import Database
from config.security.vault import Account, DatabaseVault
from tests.conftest import fetch, new_tenant
from tests.support.accounts import connect
from tests.support.faults import FAULTS, UNSURE
from tests.support.servers import KEYRING, Answer, Servers
from tests.support.vendors import BODY_CANARY, Exchange, refused, timed_out
from tests.tickets.double import Desk
from tests.tickets.faults import BULK, HOSTILE, NAMING, READING, arguments, expected
from tests.tickets.line import Line
from tests.tickets.scenario import use_everything
from tests.tickets.tour import NOWHERE, Tour
from tickets.registry import PROVIDERS
from tickets.server import SERVER
from toolkit.errors import Disconnected
from toolkit.tenancy import Runtime, ToolCall

CANARY = "canary-7f3a9"  # part of every secret; it may turn up nowhere


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

    def new_vendor(self) -> Desk:
        """Return the vendor, not seeded yet."""
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def _without_pauses(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("toolkit.http.client._PAUSE", 0.0)
        monkeypatch.setattr("toolkit.http.polling._FIRST", 0.0)

    @pytest_asyncio.fixture
    async def line(self, exchange: Exchange, patient: Servers, database: Database) -> Line:
        """A tenant who is connected to the vendor."""
        exchange.vendor = vendor = self.new_vendor()
        seed, tenant = vendor.seed(), await new_tenant(database)
        await connect(database, tenant, "tickets", self.provider, self.secrets, self.settings)
        return Line(patient, tenant, vendor, database, seed)

    @property
    def supported(self) -> set[str]:
        """Return the tools that the vendor has."""
        return set(SERVER.catalogue()["tools"]) - self.unsupported

    async def test_it_lists_what_the_vendor_can_do(self, line: Line) -> None:
        async with line.caller() as caller:
            tools = await caller.tools()
            for name in self.unsupported:
                assert (await caller.call(name)).error == "unknown_tool"
        assert set(tools) == self.supported
        assert line.vendor.requests == []

    async def test_an_account_is_tried_with_one_harmless_request(self, line: Line) -> None:
        account = Account(self.provider, self.provider, self.secrets, self.settings)
        async with httpx2.AsyncClient(transport=line.vendor.transport()) as client:
            runtime = Runtime(client, DatabaseVault(line.database, KEYRING), line.database)
            call = ToolCall(line.tenant.claims(), runtime)
            await PROVIDERS[self.provider](account, call).check()
            assert line.vendor.written() == []
            assert line.vendor.requests
            line.vendor.fail(refused(401), times=9)
            with pytest.raises(Disconnected):
                await PROVIDERS[self.provider](account, call).check()

    async def test_every_tool_does_what_it_says(self, line: Line) -> None:
        async with line.caller() as caller:
            tour = Tour(line, caller, self.unsupported, self.phones)
            await use_everything(tour)
        assert tour.used == self.supported

    async def test_every_tool_meets_every_fault(
        self, line: Line, caplog: pytest.LogCaptureFixture, spans: InMemorySpanExporter
    ) -> None:
        caplog.set_level(logging.DEBUG)
        before, answers, wrong = await line.state(), list[Answer](), list[Any]()
        async with line.client() as caller:
            for tool in sorted(self.supported):
                for name, fault in FAULTS.items():
                    line.vendor.fail(fault, writes=None if tool in READING else True, times=9)
                    line.vendor.requests.clear()
                    values = arguments(line.seed)[tool]
                    # A repeat matters where the outcome is not known.
                    key = str(uuid4()) if name in UNSURE else None
                    answer = await caller.call(tool, key=key, **values)
                    line.vendor.recover()
                    answers.append(answer)
                    allowed = expected(tool, name) | self.exceptions.get((tool, name), frozenset())
                    if answer.error not in allowed:
                        wrong.append((tool, name, answer, allowed))
                    elif answer.error is None and tool in BULK:
                        assert answer.data["done"] == 0, (tool, name, answer)
                        assert answer.data["refused"], (tool, name, answer)
                    if tool not in READING and name in UNSURE:
                        assert len(line.vendor.written()) == 1, (tool, name)
        assert wrong == []
        assert await line.state() == before
        await self.nothing_leaks(line, answers, caplog, spans)

    async def nothing_leaks(
        self,
        line: Line,
        answers: list[Answer],
        caplog: pytest.LogCaptureFixture,
        spans: InMemorySpanExporter,
    ) -> None:
        """Search everything that is kept or shown for the secret and for the vendor's words."""
        rows = await fetch(line.database, line.tenant, "select * from audit")
        kept = await fetch(line.database, line.tenant, "select * from idempotent_call")
        logged = [f"{record.getMessage()} {record.__dict__}" for record in caplog.records]
        traced = [span.to_json() for span in spans.get_finished_spans()]
        assert rows
        assert traced
        for place in map(str, (answers, rows, kept, logged, traced)):
            assert CANARY not in place
            assert BODY_CANARY not in place
        assert "Brandt" not in f"{rows}{traced}"

    async def test_a_vendor_that_asks_for_patience_gets_it(self, line: Line) -> None:
        patience = refused(429, **{"Retry-After": "0"})
        async with line.caller() as caller:
            line.vendor.fail(patience)
            assert (await caller.call("list_tickets")).error is None
            line.vendor.fail(patience, writes=True)
            values = arguments(line.seed)["create_ticket"]
            assert (await caller.call("create_ticket", **values)).error is None

    async def test_a_create_whose_answer_was_lost_is_found_and_not_repeated(
        self, line: Line
    ) -> None:
        seed, conversation = line.seed, uuid4()
        creates: dict[str, tuple[dict[str, Any], Callable[[], Awaitable[list[Any]]]]] = {
            "create_ticket": (arguments(seed)["create_ticket"], line.held),
            "add_comment": (arguments(seed)["add_comment"], lambda: line.said(seed.oven)),
            "create_user": (arguments(seed)["create_user"], line.people),
        }
        for tool in sorted(self.supported & creates.keys()):
            values, there = creates[tool]
            before = len(await there())
            async with line.caller(conversation) as caller:
                line.vendor.fail(timed_out, writes=True, done=True)
                assert (await caller.call(tool, **values)).error == "outcome_unknown", tool
                assert len(await there()) == before + 1, tool
                assert (await caller.call(tool, **values)).error == "outcome_unknown", tool
                await line.lose_time()
                other = await caller.call(tool, **_another(values))
                assert other.error is None, (tool, other)
                assert len(await there()) == before + 2, tool
                again = await caller.call(tool, **values)
                if tool in self.blind:
                    assert again.error == "outcome_unknown", (tool, again)
                else:
                    assert again.error is None, (tool, again)
                    assert again.data["id"] != other.data["id"], tool
                assert len(await there()) == before + 2, tool

    async def test_two_who_want_the_same_are_two(self, line: Line) -> None:
        """Only a repeat is a repeat: another caller's ticket is not taken for one's own."""
        before, values = len(await line.held()), arguments(line.seed)["create_ticket"]
        ids: set[str] = set()
        for _ in range(2):
            async with line.caller() as caller:
                ids.add((await caller.call("create_ticket", **values)).data["id"])
        assert len(ids) == 2
        assert len(await line.held()) == before + 2

    async def test_people_are_found_however_they_are_said(self, line: Line) -> None:
        said = ["Catherine Brandt", "brandt", "KATHERINE.BRANDT@BAKERY.EXAMPLE"]
        if self.phones:
            said += ["0049 30 555 01 42", "030 5550142", "plus four nine three oh 5550142"]
        async with line.caller() as caller:
            for each in said:
                answer = await caller.call("search_users", text=each)
                assert answer.error is None, (each, answer)
                found = [row["id"] for row in answer.data["users"]]
                assert found == [line.seed.katherine], (each, answer)

    async def test_an_id_that_is_none_is_not_found(self, line: Line) -> None:
        before = await line.state()
        async with line.client() as caller:
            for tool in sorted(self.supported & NAMING.keys()):
                name, values = NAMING[tool], arguments(line.seed)[tool]
                for hostile in (*HOSTILE, NOWHERE):
                    given = [hostile] if isinstance(values[name], list) else hostile
                    answer = await caller.call(tool, key=str(uuid4()), **{**values, name: given})
                    if isinstance(given, list):
                        assert answer.error in (None, "not_found"), (tool, hostile, answer)
                        assert not answer.data.get("done"), (tool, hostile, answer)
                        continue
                    assert answer.error == "not_found", (tool, hostile, answer)
        assert await line.state() == before

    async def test_what_many_could_not_do_is_told(self, line: Line) -> None:
        if "update_many_tickets" not in self.supported:
            pytest.skip("There is nothing of that kind.")
        async with line.caller() as caller:
            answer = await caller.call(
                "update_many_tickets", tickets=[line.seed.scale, NOWHERE], priority="urgent"
            )
        assert answer.error is None, answer
        assert answer.data["done"] == 1, answer
        assert [*answer.data["refused"]] == [NOWHERE], answer
        (scale,) = [each for each in await line.held() if each["id"] == line.seed.scale]
        assert scale["priority"] == "urgent"

    async def test_a_job_that_goes_on_is_named(
        self, line: Line, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if not self.has_jobs:
            pytest.skip("The vendor has no jobs.")
        monkeypatch.setattr(
            "toolkit.http.polling._FIRST", 99.0
        )  # one look, and no time for a second
        line.vendor.slow_jobs = True
        async with line.caller() as caller:
            values = arguments(line.seed)["create_many_tickets"]
            answer = await caller.call("create_many_tickets", **values)
        assert answer.error is None, answer
        assert answer.data["done"] == 0
        assert answer.data["job"]
        assert answer.data["job"] in answer.data["say"]


def _another(values: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of another create that is like this one."""
    changes = {"text": "Quite another thing.", "email": "somebody.else@example.org"}
    changed = {name: value for name, value in changes.items() if name in values}
    subject = {"subject": "Mixer hums"} if "subject" in values else {}
    name = {"name": "Somebody Else"} if "name" in values else {}
    return {**values, **changed, **subject, **name}
