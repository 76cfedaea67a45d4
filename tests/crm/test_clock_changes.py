"""Events where the clocks skip an hour or repeat one: what is said, and what a vendor is sent."""

from datetime import UTC, datetime, timedelta

import pytest

from crm import sentences
from crm.lost_writes import is_same_record
from crm.provider import InputValues, Record
from crm.providers.hubspot.mapping import default_properties
from crm.providers.zoho.mapping import PicklistValues, with_required_fields
from tests.support.clock_changes import CLOCK_CHANGES, ClockChange
from toolkit.speech.clock import Clock

_QUARTER = 0.25  # of an hour


@pytest.mark.parametrize("change", CLOCK_CHANGES, ids=str)
def test_the_length_that_is_read_back_is_the_one_that_was_said(change: ClockChange) -> None:
    clock = Clock(change.local(-50))
    values: InputValues = {
        "subject": "Visit",
        "starts_at": change.local(-1),
        "ends_at": change.local(1),
    }
    assert "120 minutes" in sentences.name_with_details(values, {}, clock)


@pytest.mark.parametrize("change", CLOCK_CHANGES, ids=str)
def test_an_event_without_an_end_is_half_an_hour_long(change: ClockChange) -> None:
    start, end = change.local(-_QUARTER), change.after(_QUARTER)
    properties = default_properties("event", {"starts_at": start})
    assert datetime.fromisoformat(properties["hs_meeting_end_time"]) == end
    row = with_required_fields("event", {}, start, PicklistValues({}))
    assert datetime.fromisoformat(row["End_DateTime"]) == end
    assert row["End_DateTime"].endswith("+00:00")


@pytest.mark.parametrize("change", CLOCK_CHANGES, ids=str)
@pytest.mark.parametrize("hours", [-_QUARTER, _QUARTER])
def test_a_record_is_told_by_its_moment(change: ClockChange, hours: float) -> None:
    """As a vendor writes it: in UTC, or with an offset."""
    moment = change.after(hours)
    for stored in (moment, change.local(hours), moment.astimezone(UTC) + timedelta(hours=1)):
        record = Record(kind="event", id="1", values={"starts_at": stored.isoformat()})
        same = is_same_record(record, {"starts_at": change.local(hours)})
        assert same == (stored.astimezone(UTC) == moment), stored
