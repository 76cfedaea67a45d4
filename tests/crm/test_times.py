"""Days and times of tasks, events and opportunities, as callers say them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.crm.samples import ZONE
from tests.support.servers import Caller

NOTED = "Thank you, I have noted that for the team"
ANYTHING = "Is there anything else?"


async def test_days_and_times_are_the_callers_own_words(caller: Caller) -> None:
    today = datetime.now(UTC).astimezone(ZONE).date()
    tomorrow = today + timedelta(days=1)
    task = await caller.call("create_task", subject="Call back", due="tomorrow", priority="High")
    assert task.data["due_date"] == tomorrow.isoformat()
    assert task.data["priority"] == "high"
    assert task.data["say"] == f"{NOTED}: Call back, due {tomorrow:%A}. {ANYTHING}"
    sale = await caller.call("create_opportunity", name="Roof", close="2030-05-01", amount=12500)
    assert (sale.data["close_date"], sale.data["amount"]) == ("2030-05-01", 12500)

    event = await caller.call("create_event", subject="Visit", when="tomorrow at ten", minutes=45)
    start = datetime(tomorrow.year, tomorrow.month, tomorrow.day, 10, tzinfo=ZONE)
    assert datetime.fromisoformat(event.data["starts_at"]) == start
    assert datetime.fromisoformat(event.data["ends_at"]) == start + timedelta(minutes=45)
    assert f"Visit, {tomorrow:%A} at ten in the morning." in event.data["say"]
    shown = await caller.call("get_event", event=event.data["id"])
    assert shown.data["say"] == f"Visit, an event, {tomorrow:%A} at ten in the morning."


@pytest.mark.parametrize(
    ("changes", "start", "minutes"),
    [
        ({"when": "tomorrow at noon"}, 12, 45),
        ({"minutes": 90}, 10, 90),
        ({"when": "tomorrow at noon", "minutes": 15}, 12, 15),
        ({"location": "Main Street"}, 10, 45),
    ],
)
async def test_an_event_keeps_what_is_not_changed_of_its_time(
    caller: Caller, changes: dict[str, Any], start: int, minutes: int
) -> None:
    made = await caller.call("create_event", subject="Visit", when="tomorrow at ten", minutes=45)
    event = {"event": made.data["id"]}
    assert (await caller.call("update_event", **event, **changes)).error is None
    shown = (await caller.call("get_event", **event)).data
    begins, ends = (datetime.fromisoformat(shown[field]) for field in ("starts_at", "ends_at"))
    assert begins.astimezone(ZONE).hour == start
    assert ends - begins == timedelta(minutes=minutes)
