"""Make, over its API of scenarios."""

import time
from collections.abc import AsyncGenerator, Collection, Mapping
from typing import Any, ClassVar

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from automation.server import SERVER
from config.database import Database
from config.security.tokens import Signer
from tests.automation.contract import CANARY, AutomationContract
from tests.automation.harness import AutomationHarness, answering
from tests.automation.make_double import QUOTE, REPORT, Make
from tests.support.accounts import connect
from tests.support.faults import SwitchableBreakers
from tests.support.processes import in_one_task
from tests.support.servers import Answer, Servers, serve
from tests.support.vendor_contract import MANY
from tests.support.vendors import Exchange, refused, timed_out
from toolkit.errors import Disconnected
from toolkit.http.client import Timing

RUN = "0" * 31 + "1"


@pytest_asyncio.fixture(scope="session")
async def hurried_servers(
    exchange: Exchange, signer: Signer, database: Database, cache: Redis
) -> AsyncGenerator[Servers]:
    """The server, which waits for a run for a fifth of a second only."""
    options: dict[str, Any] = {"timing": Timing(write_budget=0.3), "first_poll_pause": 0.02}
    serving = serve([SERVER], signer, database, cache, vendors=exchange, **options)
    async with in_one_task(serving) as servers:
        yield servers


class TestMake(AutomationContract):
    """Scenarios. It has many tests because a run has many ends."""

    provider = "make"
    secrets: ClassVar[dict[str, str]] = {"api_key": f"key-{CANARY}"}
    settings: ClassVar[dict[str, Any]] = {"zone": "eu1.make.com"}
    unsupported = frozenset({"zapier_trigger"})
    tool = "make_run_scenario"
    argument = "scenario"
    target: ClassVar[dict[str, Any]] = {"scenario": REPORT}

    def new_vendor(self) -> Make:
        return Make()

    def received(self, harness: AutomationHarness[Any]) -> list[Mapping[str, Any]]:
        return [values for scenario, values in harness.vendor.started if scenario == REPORT]

    async def arguments(self, harness: AutomationHarness[Any]) -> Mapping[str, Mapping[str, Any]]:
        """With a scenario whose inputs are asked for, so that a list sends a request."""
        await harness.declare("send_quote", "make", scenario=QUOTE)
        return await super().arguments(harness)

    def expected_errors(self, tool: str, fault: str) -> Collection[str | None]:
        """Return what a fault means: one scenario that cannot be looked at hides no others."""
        if tool in self.reads and fault in ("403", "404"):
            return (None,)
        return super().expected_errors(tool, fault)

    def check_success(self, tool: str, fault: str, answer: Answer) -> None:
        takes = {each["name"]: each.get("takes") for each in answer.data["automations"]}
        assert (takes["send_quote"], takes["notify"] is None) == (None, False)

    async def run_quote(
        self, harness: AutomationHarness[Any], *, answers: bool = True, **fields: Any
    ) -> Answer:
        """Declare `send_quote`, and run it."""
        await harness.declare("send_quote", "make", scenario=QUOTE, answers=answers, **fields)
        async with harness.caller() as caller:
            return await caller.call(
                self.tool, scenario="send quote", values={"email": "ann@example.com"}
            )

    async def test_what_a_scenario_takes_is_read_from_make(
        self, harness: AutomationHarness[Any]
    ) -> None:
        await harness.declare("send_quote", "make", scenario=QUOTE)
        async with harness.caller() as caller:
            listed = await caller.call("list_automations")
            missing = await caller.call(self.tool, scenario="send_quote", values={"copies": 2})
            negative = await caller.call(
                self.tool, scenario="send_quote", values={"email": "a@b.example", "copies": -2}
            )
        assert listed.data["automations"][0]["takes"] == {
            "type": "object",
            "properties": {
                "email": {"type": "string", "title": "e-mail address"},
                "copies": {"type": "integer", "minimum": 0},
            },
            "required": ["email"],
            "additionalProperties": False,
        }
        assert (missing.error, negative.error) == ("invalid", "invalid")
        assert "what is the e-mail address?" in missing.text
        assert harness.vendor.written() == []

    async def test_every_type_of_input_has_a_schema(self, harness: AutomationHarness[Any]) -> None:
        """The types are those that the README of Make's own MCP server lists for inputs."""
        text = {"type": "text", "name": "name", "required": True}
        options = [{"label": "Low", "value": "low"}, {"label": "High", "value": "high"}]
        harness.vendor.interfaces[QUOTE] = [
            text,
            {"name": "amount", "type": "number", "help": "In euros."},
            {"name": "paid", "type": "boolean"},
            {"name": "day", "type": "date"},
            {"name": "raw", "type": "json"},
            {"name": "level", "type": "select", "options": options},
            {"name": "asked", "type": "select", "options": "rpc://levels"},
            {"name": "tags", "type": "array", "spec": {"type": "text"}},
            {"name": "customer", "type": "collection", "spec": [text]},
            {"name": "rows", "type": "array", "spec": {"type": "collection", "spec": [text]}},
            {"type": "text"},
            "no field",
        ]
        await harness.declare("send_quote", "make", scenario=QUOTE)
        async with harness.caller() as caller:
            listed = await caller.call("list_automations")
        person = {
            "type": "object",
            "properties": {"name": {"type": "string"}},
            "required": ["name"],
            "additionalProperties": False,
        }
        assert listed.data["automations"][0]["takes"]["properties"] == {
            "name": {"type": "string"},
            "amount": {"type": "number", "description": "In euros."},
            "paid": {"type": "boolean"},
            "day": {"type": "string"},
            "raw": {},
            "level": {"enum": ["low", "high"]},
            "asked": {},
            "tags": {"type": "array", "items": {"type": "string"}},
            "customer": person,
            "rows": {"type": "array", "items": person},
        }

    async def test_what_it_takes_is_declared_where_the_token_may_not_ask(
        self, harness: AutomationHarness[Any]
    ) -> None:
        harness.vendor.fail(refused(403), writes=False, times=MANY)
        refused_run = await self.run_quote(harness, answers=False)
        assert refused_run.error == "forbidden"
        assert harness.vendor.written() == []
        takes = {"type": "object", "properties": {"email": {"type": "string"}}}
        run = await self.run_quote(harness, answers=False, takes=takes)
        assert (run.error, run.data["status"]) == (None, "started")

    async def test_a_scenario_that_answers_is_waited_for(
        self, harness: AutomationHarness[Any]
    ) -> None:
        harness.vendor.polls = 3
        run = await self.run_quote(harness)
        assert run.data == {
            "say": "Send quote is done.",
            "automation": "send_quote",
            "run": f"send_quote:{RUN}",
            "status": "done",
            "outputs": {"quote": "Q-17"},
        }
        assert harness.vendor.executions[RUN]["asked"] == 3

    async def test_a_scenario_that_does_not_answer_is_not_asked(
        self, harness: AutomationHarness[Any]
    ) -> None:
        run = await self.run_quote(harness, answers=False)
        assert (run.data["status"], run.data["run"]) == ("started", f"send_quote:{RUN}")
        assert "outputs" not in run.data
        assert harness.vendor.executions[RUN]["asked"] == 0

    async def test_a_late_answer_is_asked_for_by_the_id_of_the_run(
        self, harness: AutomationHarness[Any], hurried_servers: Servers
    ) -> None:
        hurried = AutomationHarness(
            hurried_servers, harness.tenant, harness.vendor, harness.database
        )
        harness.vendor.polls = MANY
        before = time.monotonic()
        run = await self.run_quote(hurried)
        assert time.monotonic() - before < 5
        assert (run.error, run.data["status"]) == (None, "running")
        assert "still running" in run.data["say"]
        async with harness.caller(write=False) as caller:
            still = await caller.call("list_automations", run=run.data["run"])
            harness.vendor.polls = 0
            over = await caller.call("list_automations", run=run.data["run"])
        assert (still.data["run"]["status"], over.data["run"]["status"]) == ("running", "done")
        assert over.data["run"]["outputs"] == {"quote": "Q-17"}
        assert over.data["say"] == "Send quote is done."
        assert len(harness.vendor.started) == 1

    @pytest.mark.parametrize("fault", [refused(404), refused(429), refused(500), timed_out])
    async def test_a_run_that_cannot_be_looked_at_was_started_all_the_same(
        self, harness: AutomationHarness[Any], hurried_servers: Servers, fault: Any
    ) -> None:
        hurried = AutomationHarness(
            hurried_servers, harness.tenant, harness.vendor, harness.database
        )
        takes = {"type": "object", "properties": {"email": {"type": "string"}}}
        harness.vendor.fail(fault, writes=False, times=MANY)
        run = await self.run_quote(hurried, takes=takes)
        assert (run.error, run.data["status"]) == (None, "running"), run
        assert run.data["run"] == f"send_quote:{RUN}"

    @pytest.mark.parametrize(
        ("final", "status", "said"),
        [("ERROR", "failed", "did not work"), ("WARNING", "warning", "not all of it worked")],
    )
    async def test_a_run_that_failed_is_no_success_and_not_repeated(
        self, harness: AutomationHarness[Any], final: str, status: str, said: str
    ) -> None:
        harness.vendor.final = final
        await harness.declare("send_quote", "make", scenario=QUOTE, answers=True)
        values = {"email": "ann@example.com"}
        async with harness.caller() as caller:
            runs = [
                await caller.call(self.tool, scenario="send_quote", values=values) for _ in range(2)
            ]
        assert runs[0].data == runs[1].data
        assert (runs[0].error, runs[0].data["status"]) == (None, status)
        assert said in runs[0].data["say"]
        assert len(harness.vendor.started) == 1

    async def test_an_answer_that_is_too_long_is_left_out(
        self, harness: AutomationHarness[Any]
    ) -> None:
        harness.vendor.outputs = {"text": "x" * 10_000}
        run = await self.run_quote(harness)
        assert (run.error, run.data["status"]) == (None, "done")
        assert "outputs" not in run.data

    @pytest.mark.parametrize("change", [{"isActive": False}, {"isPaused": True}])
    async def test_a_scenario_that_is_switched_off_says_so(
        self, harness: AutomationHarness[Any], change: dict[str, bool]
    ) -> None:
        harness.vendor.scenarios[QUOTE] |= change
        if harness.vendor.scenarios[QUOTE]["isActive"]:
            harness.vendor.fail(refused(400), writes=True)
        answer = await self.run_quote(harness)
        assert answer.error == "rejected"
        assert "switched off at the moment" in answer.text
        assert harness.vendor.started == []

    async def test_a_scenario_that_is_gone_is_not_found(
        self, harness: AutomationHarness[Any]
    ) -> None:
        del harness.vendor.scenarios[QUOTE]
        assert (await self.run_quote(harness)).error == "not_found"

    @pytest.mark.parametrize(
        "run",
        [
            "",
            ":",
            "send_quote",
            f"send_quote:{RUN[:-1]}9",
            f"other:{RUN}",
            f"notify:{RUN}",
            "send_quote:../run",
            "send_quote:a/b",
            "send_quote:ä",
            f"send_quote:{'1' * 150}",
        ],
    )
    async def test_what_is_no_run_is_not_found(
        self, harness: AutomationHarness[Any], run: str
    ) -> None:
        await self.declare_notify(harness)
        assert (await self.run_quote(harness)).error is None
        async with harness.caller() as caller:
            answer = await caller.call("list_automations", run=run)
        assert answer.error == ("invalid" if run == "" else "not_found")

    async def test_an_answer_without_an_id_is_no_success(
        self, harness: AutomationHarness[Any]
    ) -> None:
        harness.vendor.fail(answering(b"{}"), writes=True)
        assert (await self.run_quote(harness)).error == "outcome_unknown"

    async def test_a_token_that_may_not_run_scenarios_is_not_accepted(
        self, harness: AutomationHarness[Any]
    ) -> None:
        harness.vendor.scopes.remove("scenarios:run")
        async with self.open_provider(harness) as provider:
            with pytest.raises(Disconnected, match="scenarios:run"):
                await provider.check()

    @pytest.mark.parametrize("zone", ["", "evil.example", "eu1.make.com.evil.example", "EU1"])
    async def test_a_zone_is_one_of_make_s(
        self,
        harness: AutomationHarness[Any],
        vendor_servers: Servers,
        breakers: SwitchableBreakers,
        zone: str,
    ) -> None:
        """Its token goes there."""
        other = await self.open_other(harness, vendor_servers, harness.database)
        await connect(
            harness.database,
            other.tenant,
            "automation",
            "make",
            self.secrets,
            {"zone": zone},
            name="elsewhere",
        )
        async with other.caller(integration="elsewhere") as caller:
            answer = await caller.call("list_automations")
        assert answer.error == "disconnected"
        assert "eu1.make.com, eu2.make.com" in answer.text
        assert harness.vendor.requests == []
