"""The check that calls are scored by: each expectation can fail."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from benchmarks.call_expectations import CallFile
from orchestrator.demo.report import Report

BEGAN = datetime(2030, 5, 6, 8, tzinfo=UTC)
STARTS = (BEGAN + timedelta(days=2)).replace(hour=11)
BOOKING = {"service": "full service", "name": "Ann Lee", "phone": "5550142"}
TICKET = {
    "subject": "Brake is loose",
    "text": "Please call me back.",
    "requester": {"name": "Ann Lee", "phone": "5550142"},
}


def tool_call(tool: str, **fields: Any) -> dict[str, Any]:
    call: dict[str, Any] = {"server": "scheduling", "arguments": {}, "ms": 1, "outcome": "ok"}
    return {**call, "turn": 1, "tool": tool, "chosen_by": "model", **fields}


def report(*answers: str, calls: tuple[dict[str, Any], ...] = (), **records: Any) -> Report:
    turns = [
        {"role": role, "text": text}
        for answer in answers
        for role, text in (("user", "Hello?"), ("agent", answer))
    ]
    return Report.model_validate(
        {
            "business": "b",
            "bot": "bot",
            "conversation_id": "1",
            "providers": {},
            "greeting_seconds": None,
            "turns": turns,
            "tool_calls": list(calls),
            "heard_back": [],
            "speech": {"caller_wer": None, "agent_wer": None},
            "booking": None,
            "records": records,
            "transcript_url": "",
            "transcript": [],
            "agent_hung_up": True,
            "unanswered": 0,
        }
    )


def problems(line: dict[str, Any], made: Report, **stored: Any) -> list[str]:
    call = CallFile("call", Path(), {}, [line], stored, ZoneInfo("UTC"))
    return call.problems(made, BEGAN)


FOUND = tool_call("search_knowledge", server="knowledge", passages=["It costs 40 euros."])


@pytest.mark.parametrize(
    ("line", "right", "wrong"),
    [
        ({"answer": 40}, report("It is forty euros."), report("It is fifty euros.")),
        ({"answer": [["two hours", "120 minutes"]]}, report("Two hours."), report("Two days.")),
        ({"not_answer": "Monday"}, report("On Sunday."), report("On Monday.")),
        ({"not_stated": ["amount"]}, report("I don't know."), report("About 5 euros.")),
        ({"fact": "costs 40"}, report("Yes.", calls=(FOUND,)), report("Yes.")),
        (
            {"tool": "create_booking"},
            report("Done.", calls=(tool_call("create_booking"),)),
            report("Done.", calls=(tool_call("create_booking", turn=2),)),
        ),
        (
            {"no_tool": ["create_booking"]},
            report("Well.", calls=(tool_call("get_booking"),)),
            report("Well.", calls=(tool_call("create_booking", outcome="invalid"),)),
        ),
        (
            {"nothing_stored": True},
            report("Well.", calls=(tool_call("create_booking", outcome="needs_confirmation"),)),
            report("Well.", calls=(tool_call("create_booking"),)),
        ),
        ({}, report("Well."), report("")),
        ({}, report("Well."), report()),
    ],
)
def test_a_line_is_right_or_wrong(line: dict[str, Any], right: Report, wrong: Report) -> None:
    assert problems(line, right) == []
    assert len(problems(line, wrong)) == 1


@pytest.mark.parametrize(
    ("change", "fine"),
    [({}, True), ({"name": "Tom Hill"}, False), ({"starts_at": BEGAN.isoformat()}, False)],
)
def test_what_is_stored_is_compared(change: dict[str, Any], fine: bool) -> None:
    record = {**BOOKING, "starts_at": STARTS.isoformat(), **change}
    expected = {**BOOKING, "days_ahead": 2, "time": "11:00"}
    found = problems({}, report("Well.", bookings=[record]), bookings=[expected])
    assert (found == []) is fine


@pytest.mark.parametrize(
    ("expected", "fine"),
    [
        ({"subject": ["brake"], "about": [["call me back", "call back"]]}, True),
        ({"requester": "Ann Lee", "phone": "5550142"}, True),
        ({"subject": ["wheel"]}, False),
        ({"requester": "Tom Hill"}, False),
    ],
)
def test_a_ticket_is_its_callers_and_about_what_was_said(
    expected: dict[str, Any], fine: bool
) -> None:
    assert (problems({}, report("Well.", tickets=[TICKET]), tickets=[expected]) == []) is fine


def test_nothing_else_may_be_stored() -> None:
    assert problems({}, report("Well.", leads=[{"name": "Ann Lee"}]), leads=[])
    assert problems({}, report("Well.", leads=[{"name": "Ann Lee"}])) == []
