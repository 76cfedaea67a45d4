"""When a task is due, where the clocks skip an hour or repeat one."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.conftest import fetch
from tests.servicenow.harness import ServiceNowHarness
from tests.support.clock_changes import CLOCK_CHANGES, ClockChange

SANTIAGO = ZoneInfo("America/Santiago")  # where the clocks change at midnight
MIDNIGHTS = [
    ClockChange(SANTIAGO, datetime(2027, 4, 4, 3, tzinfo=UTC), False),
    ClockChange(SANTIAGO, datetime(2027, 9, 5, 4, tzinfo=UTC), True),
]


async def due_of_new_task(harness: ServiceNowHarness, change: ClockChange, due: str) -> datetime:
    """Create a task in the zone of a change, and return when it is due at the vendor."""
    statement = f"update business set time_zone = '{change.zone.key}' returning id"
    await fetch(harness.database, harness.tenant, statement)
    async with harness.caller() as caller:
        made = await caller.call("create_task", summary="Call back", due=due)
    assert made.error is None, made
    (row,) = harness.vendor.tables["task"]
    return datetime.strptime(row["due_date"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)


@pytest.mark.parametrize("change", CLOCK_CHANGES + MIDNIGHTS, ids=str)
async def test_a_task_is_due_until_its_day_ends(
    harness: ServiceNowHarness, change: ClockChange
) -> None:
    day = change.local(-0.5).date()
    due = await due_of_new_task(harness, change, day.isoformat())
    last, next_minute = (each.astimezone(change.zone) for each in (due, due + timedelta(minutes=1)))
    assert (last.date(), next_minute.date()) == (day, day + timedelta(days=1))


@pytest.mark.parametrize("change", CLOCK_CHANGES, ids=str)
async def test_a_task_is_due_at_the_moment_that_was_said(
    harness: ServiceNowHarness, change: ClockChange
) -> None:
    assert await due_of_new_task(harness, change, change.iso(0.5)) == change.after(0.5)
