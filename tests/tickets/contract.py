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

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, ClassVar
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from config.database import Database
from config.security.tokens import Signer
from tests.conftest import Tenant
from tests.support.faults import SwitchableBreakers
from tests.support.processes import in_one_task
from tests.support.servers import Answer, Servers, serve
from tests.support.vendor_contract import CANARY, VendorContract
from tests.support.vendors import Exchange, refused, timed_out
from tests.tickets.connected_tenant import ConnectedTenant
from tests.tickets.double import TicketVendor
from tests.tickets.scenario import use_everything
from tests.tickets.tool_cases import (
    BULK_TOOLS,
    HOSTILE_IDS,
    ID_ARGUMENTS,
    expected_errors,
    valid_arguments,
)
from tests.tickets.tool_session import UNKNOWN_ID, ToolSession
from tickets.server import SERVER

__all__ = ["CANARY", "TicketsContract"]


class TicketsContract(VendorContract[ConnectedTenant]):
    """Subclass with a vendor."""

    spec = SERVER
    personal = "Brandt"
    blind: ClassVar[frozenset[str]] = frozenset()
    phones: ClassVar[bool] = True
    has_jobs: ClassVar[bool] = False
    exceptions: ClassVar[Mapping[tuple[str, str], frozenset[str | None]]] = {}

    def new_vendor(self) -> TicketVendor:
        """Return the fake vendor, without seeded records."""
        raise NotImplementedError

    def new_harness(
        self, servers: Servers, tenant: Tenant, database: Database, breakers: SwitchableBreakers
    ) -> ConnectedTenant:
        vendor = self.new_vendor()
        return ConnectedTenant(servers, tenant, vendor, database, breakers, seed=vendor.seed())

    async def arguments(self, harness: ConnectedTenant) -> Mapping[str, Mapping[str, Any]]:
        values = valid_arguments(harness.seed)
        return {tool: values[tool] for tool in values if tool not in self.unsupported}

    def snapshot(self, harness: ConnectedTenant) -> object:
        vendor = harness.vendor
        tickets = vendor.list_tickets()
        comments = [vendor.list_comments(each["id"]) for each in tickets]
        return tickets, comments, vendor.list_users()

    def expected_errors(self, tool: str, fault: str) -> Collection[str | None]:
        return expected_errors(tool, fault) | self.exceptions.get((tool, fault), frozenset())

    def check_success(self, tool: str, fault: str, answer: Answer) -> None:
        """Check that a tool which changes many has changed none, and says so."""
        if tool in BULK_TOOLS:
            assert answer.data["done"] == 0, (tool, fault, answer)
            assert answer.data["refused"], (tool, fault, answer)

    async def test_every_tool_does_what_it_says(self, harness: ConnectedTenant) -> None:
        async with harness.caller() as caller:
            session = ToolSession(harness, caller, self.unsupported, self.phones)
            await use_everything(session)
        assert session.used == self.supported

    async def test_a_write_waits_for_a_vendor_that_asks_for_patience(
        self, harness: ConnectedTenant
    ) -> None:
        async with harness.caller() as caller:
            harness.vendor.fail(refused(429, **{"Retry-After": "0"}), writes=True)
            values = valid_arguments(harness.seed)["create_ticket"]
            assert (await caller.call("create_ticket", **values)).error is None

    async def test_a_create_whose_answer_was_lost_is_found_and_not_repeated(
        self, harness: ConnectedTenant
    ) -> None:
        seed, conversation = harness.seed, uuid4()
        creates: dict[str, tuple[dict[str, Any], Callable[[], Awaitable[list[Any]]]]] = {
            "create_ticket": (valid_arguments(seed)["create_ticket"], harness.list_tickets),
            "add_comment": (
                valid_arguments(seed)["add_comment"],
                lambda: harness.list_comments(seed.oven),
            ),
            "create_user": (valid_arguments(seed)["create_user"], harness.list_users),
        }
        for tool in sorted(self.supported & creates.keys()):
            values, fetch_all = creates[tool]
            before = len(await fetch_all())
            async with harness.caller(conversation) as caller:
                harness.vendor.fail(timed_out, writes=True, done=True)
                assert (await caller.call(tool, **values)).error == "outcome_unknown", tool
                assert len(await fetch_all()) == before + 1, tool
                assert (await caller.call(tool, **values)).error == "outcome_unknown", tool
                await harness.let_time_pass()
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

    async def test_two_who_want_the_same_are_two(self, harness: ConnectedTenant) -> None:
        """Only a retry finds a ticket: another caller's is not taken for one's own."""
        before, values = (
            len(await harness.list_tickets()),
            valid_arguments(harness.seed)["create_ticket"],
        )
        ids: set[str] = set()
        for _ in range(2):
            async with harness.caller() as caller:
                ids.add((await caller.call("create_ticket", **values)).data["id"])
        assert len(ids) == 2
        assert len(await harness.list_tickets()) == before + 2

    async def test_people_are_found_however_they_are_said(self, harness: ConnectedTenant) -> None:
        texts = ["Catherine Brandt", "brandt", "KATHERINE.BRANDT@BAKERY.EXAMPLE"]
        if self.phones:
            texts += ["0049 30 555 01 42", "030 5550142", "plus four nine three oh 5550142"]
        async with harness.caller() as caller:
            for each in texts:
                answer = await caller.call("search_users", text=each)
                assert answer.error is None, (each, answer)
                found = [row["id"] for row in answer.data["users"]]
                assert found == [harness.seed.katherine], (each, answer)

    async def test_an_id_that_is_none_is_not_found(self, harness: ConnectedTenant) -> None:
        before = self.snapshot(harness)
        async with harness.client() as caller:
            for tool in sorted(self.supported & ID_ARGUMENTS.keys()):
                name, values = ID_ARGUMENTS[tool], valid_arguments(harness.seed)[tool]
                for hostile in (*HOSTILE_IDS, UNKNOWN_ID):
                    value = [hostile] if isinstance(values[name], list) else hostile
                    answer = await caller.call(tool, key=str(uuid4()), **{**values, name: value})
                    if isinstance(value, list):
                        assert answer.error in (None, "not_found"), (tool, hostile, answer)
                        assert not answer.data.get("done"), (tool, hostile, answer)
                        continue
                    assert answer.error == "not_found", (tool, hostile, answer)
        assert self.snapshot(harness) == before

    async def test_what_many_could_not_do_is_told(self, harness: ConnectedTenant) -> None:
        if "update_many_tickets" not in self.supported:
            pytest.skip("There is nothing of that kind.")
        async with harness.caller() as caller:
            answer = await caller.call(
                "update_many_tickets", tickets=[harness.seed.scale, UNKNOWN_ID], priority="urgent"
            )
        assert answer.error is None, answer
        assert answer.data["done"] == 1, answer
        assert [*answer.data["refused"]] == [UNKNOWN_ID], answer
        (scale,) = [
            each for each in await harness.list_tickets() if each["id"] == harness.seed.scale
        ]
        assert scale["priority"] == "urgent"

    async def test_a_job_that_goes_on_is_named(
        self, harness: ConnectedTenant, exchange: Exchange, signer: Signer, cache: Redis
    ) -> None:
        if not self.has_jobs:
            pytest.skip("The vendor has no jobs.")
        harness.vendor.slow_jobs = True
        # With time for one request for the job's state, and none for a second.
        serving = serve(
            [SERVER], signer, harness.database, cache, vendors=exchange, first_poll_pause=99.0
        )
        async with (
            in_one_task(serving) as servers,
            replace(harness, servers=servers).caller() as caller,
        ):
            values = valid_arguments(harness.seed)["create_many_tickets"]
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
