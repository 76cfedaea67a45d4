"""What every vendor of the automation server must do, seen over MCP with a fake vendor."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import uuid4

import pytest

from automation.server import SERVER
from config.database import Database
from tests.automation.harness import MESSAGE, AutomationHarness
from tests.conftest import Tenant, new_tenant
from tests.support.accounts import connect
from tests.support.faults import SwitchableBreakers
from tests.support.servers import Answer, Servers
from tests.support.vendor_contract import CANARY, VendorContract
from tests.support.vendors import Vendor, refused, timed_out

__all__ = ["CANARY", "AutomationContract"]

PERSONAL = "Silent Sam"
# Values that do not fit MESSAGE, and what is said of them.
MISFITS: list[tuple[dict[str, Any], str]] = [
    ({}, "Needs message."),
    ({"message": 5}, "message has to be of the type string."),
    ({"message": "x" * 501}, "message has to be within maxLength 500."),
    ({"message": "", "urgency": "canary"}, "urgency has to be one of low, high."),
    ({"message": "", "amount": -1}, "amount has to be within minimum 0."),
    ({"message": "", "amount": True}, "amount has to be of the type number."),
    ({"message": "", "day": "canary"}, "day has to be written like a date"),
    ({"message": "", "items": ["a"] * 4}, "items has to be within maxItems 3."),
    ({"message": "", "items": [{}]}, "items.0 has to be of the type string."),
    ({"message": "", "customer": {}}, "Needs customer.name."),
    ({"message": "", "canary": 1}, "It takes amount, customer, day, items, message"),
    ({"message": "", "customer": {"name": "", "canary": 1}}, "customer takes name."),
    ({"message": "", "__proto__": {"canary": 1}}, "It takes amount"),
    ({"message": "é" * 9_000}, "at most 16000 bytes"),
]
VALUES: dict[str, Any] = {"message": f"{PERSONAL} is late."}


@dataclass(frozen=True)
class Started:
    """A call of the tool that starts automations, and what the vendor has got of it."""

    answer: Answer
    received: list[Mapping[str, Any]]


class AutomationContract(VendorContract[AutomationHarness[Any]]):
    """Subclass it with a vendor.

    `tool` starts the vendor's automations, and `argument` names one; `target` is what `notify` is
    declared with.
    """

    spec = SERVER
    personal = PERSONAL
    tool: ClassVar[str]
    argument: ClassVar[str]
    target: ClassVar[dict[str, Any]]

    def new_vendor(self) -> Vendor:
        """Return the vendor."""
        raise NotImplementedError

    def received(self, harness: AutomationHarness[Any]) -> list[Mapping[str, Any]]:
        """Return the values that `notify` has been started with."""
        raise NotImplementedError

    def new_harness(
        self, servers: Servers, tenant: Tenant, database: Database, breakers: SwitchableBreakers
    ) -> AutomationHarness[Any]:
        return AutomationHarness(servers, tenant, self.new_vendor(), database, breakers)

    async def arguments(self, harness: AutomationHarness[Any]) -> Mapping[str, Mapping[str, Any]]:
        await self.declare_notify(harness)
        return {"list_automations": {}, self.tool: self.named("notify", VALUES)}

    def snapshot(self, harness: AutomationHarness[Any]) -> object:
        return str(self.received(harness))

    def expected_writes(self, fault: str) -> int | None:
        """Return that a write is sent once, whatever happens."""
        return 1

    async def declare_notify(self, harness: AutomationHarness[Any], **fields: Any) -> None:
        """Declare `notify`, which takes a message."""
        described = {"takes": MESSAGE, **self.target, **fields}
        await harness.declare("notify", self.provider, **described)

    def named(self, name: str, values: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the arguments that start an automation."""
        arguments: dict[str, Any] = {self.argument: name}
        return arguments if values is None else {**arguments, "values": values}

    async def start(self, harness: AutomationHarness[Any], **values: Any) -> Started:
        """Start `notify` with these values."""
        async with harness.caller() as caller:
            answer = await caller.call(self.tool, **self.named("notify", values))
        return Started(answer, self.received(harness))

    async def test_what_is_declared_is_listed_and_started(
        self, harness: AutomationHarness[Any]
    ) -> None:
        await self.declare_notify(harness, description="Tells the team.")
        async with harness.caller() as caller:
            listed = await caller.call("list_automations")
            started = await caller.call(self.tool, **self.named("Notify", {"message": "Late."}))
        assert listed.data["automations"] == [
            {
                "name": "notify",
                "description": "Tells the team.",
                "answers": False,
                "takes": MESSAGE,
            }
        ]
        assert listed.data["say"] == "I can start notify."
        assert started.error is None, started
        assert self.received(harness) == [{"message": "Late."}]

    async def test_a_business_without_automations_hears_so(
        self, harness: AutomationHarness[Any]
    ) -> None:
        async with harness.caller() as caller:
            listed = await caller.call("list_automations")
            unknown = await caller.call(self.tool, **self.named("notify"))
            run = await caller.call("list_automations", run="notify:0")
        assert (listed.error, listed.data["automations"]) == (None, [])
        assert "nothing that I could start" in listed.data["say"]
        assert (unknown.error, run.error) == ("not_found", "not_found")
        assert harness.vendor.requests == []

    @pytest.mark.parametrize(
        ("values", "says"),
        MISFITS,
    )
    async def test_values_that_do_not_fit_are_not_sent(
        self, harness: AutomationHarness[Any], values: dict[str, Any], says: str
    ) -> None:
        await self.declare_notify(harness)
        started = await self.start(harness, **values)
        assert started.answer.error == "invalid", started
        assert says in started.answer.text
        assert "canary" not in started.answer.text
        assert harness.vendor.written() == []

    async def test_a_caller_is_asked_for_what_is_missing(
        self, harness: AutomationHarness[Any]
    ) -> None:
        takes = {**MESSAGE, "required": ["message", "amount"]}
        await self.declare_notify(harness, takes=takes)
        started = await self.start(harness, message="Late.")
        assert "what is the amount in euros?" in started.answer.text

    async def test_it_is_agreed_to_before_it_is_started(
        self, harness: AutomationHarness[Any]
    ) -> None:
        await self.declare_notify(harness)
        arguments = self.named("notify", {"message": "Late.", "amount": 3})
        async with harness.caller(confirm=(self.tool,)) as caller:
            asked = await caller.call(self.tool, **arguments)
            assert asked.data["status"] == "needs_confirmation"
            assert asked.data["say"] == (
                "I would start notify with message Late., amount 3. Shall I?"
            )
            assert self.received(harness) == []
            code = asked.data["confirmation_code"]
            agreed = await caller.call(self.tool, **arguments, confirmation_code=code)
        assert agreed.error is None, agreed
        assert len(self.received(harness)) == 1

    async def test_a_repeat_starts_nothing(self, harness: AutomationHarness[Any]) -> None:
        await self.declare_notify(harness)
        arguments = self.named("notify", VALUES)
        async with harness.caller() as caller:
            first = await caller.call(self.tool, **arguments)
            second = await caller.call(self.tool, **arguments)
            other = await caller.call(self.tool, **self.named("notify", {"message": "Now here."}))
        assert (first.data, first.error, other.error) == (second.data, None, None)
        assert self.received(harness) == [VALUES, {"message": "Now here."}]

    async def test_what_may_have_been_started_is_not_started_anew(
        self, harness: AutomationHarness[Any]
    ) -> None:
        """Neither vendor takes a key, or can be asked for what it was sent."""
        await self.declare_notify(harness)
        conversation, arguments = uuid4(), self.named("notify", VALUES)
        harness.vendor.fail(timed_out, writes=True, done=True)
        async with harness.caller(conversation) as caller:
            lost = await caller.call(self.tool, **arguments)
            await harness.let_time_pass()
            repeated = await caller.call(self.tool, **arguments)
        assert (lost.error, repeated.error) == ("outcome_unknown", "outcome_unknown")
        assert self.received(harness) == [VALUES]

    async def test_what_the_vendor_refused_for_its_load_is_started_later(
        self, harness: AutomationHarness[Any]
    ) -> None:
        await self.declare_notify(harness)
        harness.vendor.fail(refused(429, **{"Retry-After": "0"}), writes=True)
        started = await self.start(harness, **VALUES)
        assert started.answer.error is None
        assert started.received == [VALUES]

    async def test_another_tenant_has_none_of_them(
        self, harness: AutomationHarness[Any], vendor_servers: Servers, database: Database
    ) -> None:
        await self.declare_notify(harness)
        other = await self.open_other(harness, vendor_servers, database)
        async with other.caller() as caller:
            listed = await caller.call("list_automations")
            theirs = await caller.call(self.tool, **self.named("notify", VALUES))
            unknown = await caller.call(self.tool, **self.named("nothing", VALUES))
        assert listed.data["automations"] == []
        assert theirs == unknown
        assert theirs.error == "not_found"
        assert self.received(harness) == []

    async def open_other(
        self, harness: AutomationHarness[Any], servers: Servers, database: Database
    ) -> AutomationHarness[Any]:
        """Connect another tenant, with an account of their own, to the same vendor."""
        tenant = await new_tenant(database)
        await connect(database, tenant, SERVER.name, self.provider, self.secrets, self.settings)
        return AutomationHarness(servers, tenant, harness.vendor, database, harness.breakers)
