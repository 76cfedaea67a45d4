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

from collections.abc import Collection, Mapping
from typing import Any, ClassVar

import pytest

from config.database import Database
from crm.provider import KINDS, Kind
from crm.server import SERVER
from tests.conftest import Tenant
from tests.crm.harness import CrmHarness, FakeCrm
from tests.crm.samples import HOSTILE, title_field
from tests.crm.scenario import CrmScenario, set_time_zone
from tests.support.clock_changes import CLOCK_CHANGES, ClockChange
from tests.support.faults import SwitchableBreakers
from tests.support.servers import Servers
from tests.support.vendor_contract import CANARY, VendorContract
from tests.support.vendors import timed_out

__all__ = ["CANARY", "CrmContract", "CrmHarness", "FakeCrm"]


class CrmContract(CrmScenario, VendorContract[CrmHarness]):
    """The contract; a vendor's test subclasses it."""

    spec = SERVER
    personal = "Tom Hill"
    cannot_find_lost: ClassVar[frozenset[Kind]] = frozenset()

    def new_vendor(self) -> FakeCrm:
        """Return the fake vendor without any records."""
        raise NotImplementedError

    def new_harness(
        self, servers: Servers, tenant: Tenant, database: Database, breakers: SwitchableBreakers
    ) -> CrmHarness:
        return CrmHarness(servers, tenant, self.new_vendor(), database, breakers)

    async def arguments(self, harness: CrmHarness) -> Mapping[str, Mapping[str, Any]]:
        async with harness.caller() as caller:
            return self.arguments_by_tool(await self.create_all(harness, caller))

    def snapshot(self, harness: CrmHarness) -> object:
        return {kind: harness.vendor.records(kind) for kind in self.kinds()}

    def lose_answer(self, vendor: FakeCrm) -> None:
        """Lose the response to the next create, after it was done."""
        vendor.fail(timed_out, writes=True, done=True)

    def expected_errors(self, tool: str, fault: str) -> Collection[str | None]:
        """Return the errors; some vendors respond with a 404 to a search without results."""
        empty = (None,) if fault == "404" and tool in ("search", "query") else ()
        return (*super().expected_errors(tool, fault), *empty)

    async def any_call(self, harness: CrmHarness) -> tuple[str, Mapping[str, Any]]:
        kind = self.kinds()[0]
        async with harness.caller() as caller:
            made = await harness.call_ok(
                caller, f"create_{kind}", **self.create_arguments(kind, {})
            )
        if self.supports(f"get_{kind}"):
            return f"get_{kind}", {kind: made.data["id"]}
        return f"update_{kind}", {kind: made.data["id"], **self.update_arguments(kind)}

    async def test_a_kind_that_the_vendor_lacks_is_rejected(self, harness: CrmHarness) -> None:
        async with harness.caller() as caller:
            for kind in set(KINDS) - {*self.kinds("get"), *self.kinds()}:
                if self.supports("query"):
                    assert (await caller.call("query", kind=kind)).error == "rejected", kind
                if self.supports("search"):
                    found = await caller.call("search", text="Tom Hill", kind=kind)
                    assert found.error in (None, "rejected"), kind

    async def test_a_statement_of_one_s_own_takes_a_grant(self, harness: CrmHarness) -> None:
        async with harness.caller(tools=()) as caller:
            assert "raw_query" not in await caller.tools()
            assert (await caller.call("raw_query", statement="x")).error == "unknown_tool"

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

    @pytest.mark.parametrize("change", CLOCK_CHANGES, ids=str)
    async def test_an_event_in_an_hour_that_comes_twice_is_found_and_not_repeated(
        self, harness: CrmHarness, change: ClockChange
    ) -> None:
        if not self.supports("create_event") or "event" in self.cannot_find_lost:
            return
        await set_time_zone(harness, change)
        arguments = {**self.create_arguments("event", {}), "when": change.iso(0)}
        self.lose_answer(harness.vendor)
        async with harness.caller() as caller:
            lost = await caller.call("create_event", **arguments)
            assert lost.error == "outcome_unknown"
            await harness.let_time_pass()
            retried = await caller.call("create_event", **arguments)
        assert retried.error is None, retried
        assert retried.data["id"] == harness.only_record("event")["id"]

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
