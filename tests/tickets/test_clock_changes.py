"""When a call was, where the clocks skip an hour or repeat one."""

from datetime import UTC, datetime
from typing import Any

import pytest

from config.database import Database
from tests.conftest import fetch
from tests.support.clock_changes import CLOCK_CHANGES, ClockChange
from tests.support.servers import Answer, Caller
from tests.tickets.rows import Rows
from tickets.provider import CallLog
from tickets.providers.freshdesk import payloads as freshdesk
from tickets.providers.jira import payloads as jira
from tickets.providers.zendesk import payloads as zendesk
from toolkit.speech import clock


async def log_call(
    caller: Caller,
    rows: Rows,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    change: ClockChange,
    now: float,
    **arguments: Any,
) -> tuple[Answer, list[datetime]]:
    """Log a call, so many hours after a change; return when the calls began that are logged."""
    monkeypatch.setattr(clock, "now", lambda: change.after(now))
    statement = f"update business set time_zone = '{change.zone.key}' returning id"
    await fetch(database, rows.tenant, statement)
    call = {"phone": "+49 30 555 0142", "direction": "inbound", "summary": "Asked for a visit."}
    answer = await caller.call("log_call", **call, **arguments)
    logged = await fetch(database, rows.tenant, "select started_at from ticket_call")
    return answer, [each["started_at"].astimezone(UTC) for each in logged]


@pytest.mark.parametrize("change", CLOCK_CHANGES, ids=str)
@pytest.mark.parametrize(("now", "minutes"), [(1, 120), (0.25, 30), (0.25, 0), (-0.25, 0)])
async def test_a_call_that_has_just_ended_began_as_long_ago_as_it_took(
    caller: Caller,
    rows: Rows,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    change: ClockChange,
    now: float,
    minutes: int,
) -> None:
    answer, began = await log_call(
        caller, rows, database, monkeypatch, change, now, minutes=minutes
    )
    assert answer.error is None, answer
    assert began == [change.after(now - minutes / 60)]


@pytest.mark.parametrize("change", CLOCK_CHANGES, ids=str)
@pytest.mark.parametrize(
    ("now", "started", "error"),
    [(0.25, -0.5, None), (-0.25, 0.5, "rejected"), (0.75, 0.5, None), (-0.75, -0.5, "rejected")],
)
async def test_only_a_call_that_has_been_is_logged(
    caller: Caller,
    rows: Rows,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    change: ClockChange,
    now: float,
    started: float,
    error: str | None,
) -> None:
    answer, began = await log_call(
        caller, rows, database, monkeypatch, change, now, started=change.iso(started)
    )
    assert answer.error == error, answer
    assert began == ([] if error else [change.after(started)])


@pytest.mark.parametrize("change", CLOCK_CHANGES, ids=str)
@pytest.mark.parametrize(("start", "hours"), [(-1, 2), (0.25, 0.5)])
def test_a_vendor_is_sent_the_moments_of_a_call(
    change: ClockChange, start: float, hours: float
) -> None:
    log = CallLog(
        phone="+49305550142",
        direction="inbound",
        started_at=change.local(start),
        seconds=round(hours * 3600),
        summary="Asked for a visit.",
    )
    call = zendesk.talk_call(log, 1, "+4930555")
    began, ended, executed = (
        datetime.fromisoformat(text)
        for text in (
            call["call_started_at"],
            call["call_ended_at"],
            freshdesk.time_entry(log)["executed_at"],
        )
    )
    assert (began, ended) == (change.after(start), change.after(start + hours))
    assert executed == began
    assert datetime.fromisoformat(jira.worklog(log)["started"]) == began
