"""The errors of every tool when ServiceNow fails, and what they must not show."""

import asyncio
import json
import logging
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from servicenow.server import SERVER
from tests.conftest import fetch
from tests.servicenow.double import CANARY, CASES
from tests.servicenow.harness import ServiceNowHarness
from tests.support.faults import FAULTS, READ_ERRORS, WRITE_ERRORS
from tests.support.servers import Answer, Caller
from tests.support.vendors import BODY_CANARY, reset, timed_out

READS: Mapping[str, dict[str, Any]] = {
    "get_incident": {"incident": "INC0010001"},
    "query_incidents": {"text": "vpn"},
    "get_user": {"user": "tom.hill"},
    "search_user_by_email": {"email": "tom@acme.example"},
    "search_user_by_phone": {"phone": "5557781"},
    "get_case": {"case": "CS0010002"},
    "query_cases": {"text": "pump"},
    "search_knowledge": {"question": "spam"},
    "get_knowledge_article": {"article": "KB0000011"},
    "get_tasks": {"state": "open"},
    "get_assignment_groups": {"name": "network"},
}
WRITES: Mapping[str, dict[str, Any]] = {
    "create_incident": {"summary": "Silent Sam cannot log in", "caller": "tom.hill"},
    "update_incident": {"incident": "INC0010001", "note": "Silent Sam called."},
    "create_case": {"summary": "Silent Sam's pump leaks", "contact": "george@boxes.example"},
    "update_case": {"case": "CS0010002", "note": "Silent Sam called."},
    "create_task": {"summary": "Call Silent Sam", "assignee": "ann.one"},
    "update_task": {"task": "TASK0010003", "note": "Silent Sam called."},
}


def add_records(harness: ServiceNowHarness) -> None:
    """Add a record of each kind to the instance."""
    harness.vendor.add("incident", short_description="No VPN")
    harness.vendor.add(CASES, short_description="Pump leaks")
    harness.vendor.add("task", short_description="Call back")


def test_no_tool_is_left_out() -> None:
    assert {*READS, *WRITES} == set(SERVER.catalogue()["tools"])


@pytest.mark.parametrize("name", FAULTS)
async def test_every_failure_says_what_and_tells_nothing(
    harness: ServiceNowHarness,
    name: str,
    caplog: pytest.LogCaptureFixture,
    spans: InMemorySpanExporter,
) -> None:
    caplog.set_level(logging.DEBUG)
    add_records(harness)
    answers: list[Answer] = []

    async def call_all(caller: Caller, tools: Mapping[str, dict[str, Any]], kind: str) -> None:
        calls = [caller.call(tool, **arguments) for tool, arguments in tools.items()]
        for tool, answer in zip(tools, await asyncio.gather(*calls), strict=True):
            assert answer.error == kind, (tool, answer)
            assert "Tell the caller:" in answer.text
            answers.append(answer)

    async with harness.caller() as caller:
        harness.vendor.fail(FAULTS[name], times=99)
        await call_all(caller, READS, READ_ERRORS[name])
        harness.vendor.recover()
        before = _snapshot(harness)
        harness.vendor.fail(FAULTS[name], writes=True, times=99)
        await call_all(caller, WRITES, WRITE_ERRORS[name])
    assert _snapshot(harness) == before
    # A write is sent once; but who has been refused signs in anew.
    assert len(harness.vendor.written()) == len(WRITES) * (2 if name == "401" else 1)
    rows = await fetch(harness.database, harness.tenant, "select * from audit")
    replays = await fetch(harness.database, harness.tenant, "select * from idempotent_call")
    logged = [f"{record.getMessage()} {record.__dict__}" for record in caplog.records]
    traced = [span.to_json() for span in spans.get_finished_spans()]
    assert len(rows) == len(READS) + len(WRITES)
    assert traced
    for place in (answers, rows, replays, logged, traced):
        assert CANARY not in str(place)
        assert BODY_CANARY not in str(place)
    assert "Silent Sam" not in str(rows) + str(traced)


def _snapshot(harness: ServiceNowHarness) -> str:
    return json.dumps([harness.vendor.tables, harness.vendor.journal])


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
