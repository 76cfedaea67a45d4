"""The contract of every vendor, and what becomes of a write whose answer is lost."""

from uuid import uuid4

import pytest

from tests.servicenow.double import CASES
from tests.servicenow.harness import ServiceNowHarness
from tests.servicenow.instance_contract import WRITES, ServiceNowContract, add_records
from tests.support.vendors import reset, timed_out


class TestServiceNow(ServiceNowContract):
    """The one vendor."""


@pytest.mark.parametrize(
    ("tool", "table"),
    [("create_incident", "incident"), ("create_case", CASES), ("create_task", "task")],
)
async def test_a_create_whose_answer_was_lost_is_found_and_not_repeated(
    harness: ServiceNowHarness, tool: str, table: str
) -> None:
    conversation = uuid4()
    harness.vendor.fail(timed_out, writes=True, done=True)
    async with harness.caller(conversation) as caller:
        lost = await caller.call(tool, **WRITES[tool])
        assert lost.error == "outcome_unknown", lost
        at_once = await caller.call(tool, **WRITES[tool])
        assert at_once.error == "outcome_unknown"
        await harness.let_time_pass()
        repeated = await caller.call(tool, **WRITES[tool])
        assert repeated.error is None, repeated
        (row,) = harness.vendor.tables[table]
        assert repeated.data["number"] == row["number"]
        other = await caller.call(tool, **{**WRITES[tool], "details": "another one"})
        assert other.data["number"] != row["number"]
    assert len(row["correlation_id"]) <= 100
    assert len(harness.vendor.tables[table]) == 2


async def test_a_create_that_cannot_be_seen_is_not_repeated(harness: ServiceNowHarness) -> None:
    harness.vendor.fail(timed_out, writes=True, done=True)
    harness.vendor.unreadable = frozenset({"correlation_id"})
    async with harness.caller(uuid4()) as caller:
        for _ in range(2):
            repeated = await caller.call("create_incident", summary="No VPN")
            assert repeated.error == "outcome_unknown"
            await harness.let_time_pass()
    assert len(harness.vendor.tables["incident"]) == 1


async def test_a_create_that_never_arrived_is_made_by_the_next_try(
    harness: ServiceNowHarness,
) -> None:
    harness.vendor.fail(reset, writes=True)
    async with harness.caller(uuid4()) as caller:
        assert (await caller.call("create_case", summary="Pump")).error == "outcome_unknown"
        await harness.let_time_pass()
        assert (await caller.call("create_case", summary="Pump")).error is None
    assert len(harness.vendor.tables[CASES]) == 1


@pytest.mark.parametrize("tool", ["update_incident", "update_case", "update_task"])
async def test_a_note_whose_answer_was_lost_is_not_added_twice(
    harness: ServiceNowHarness, tool: str
) -> None:
    add_records(harness)
    async with harness.caller(uuid4()) as caller:
        harness.vendor.fail(timed_out, writes=True, done=True)
        assert (await caller.call(tool, **WRITES[tool])).error == "outcome_unknown"
        await harness.let_time_pass()
        repeated = await caller.call(tool, **WRITES[tool])
        assert repeated.error is None, repeated
        (notes,) = harness.vendor.journal.values()
        assert notes == [WRITES[tool]["note"]]
        # Where it is not to be seen, nobody can say.
        change = {**WRITES[tool], "note": "It is urgent."}
        harness.vendor.fail(timed_out, writes=True)
        assert (await caller.call(tool, **change)).error == "outcome_unknown"
        await harness.let_time_pass()
        assert (await caller.call(tool, **change)).error == "outcome_unknown"
    assert notes == [WRITES[tool]["note"]]
