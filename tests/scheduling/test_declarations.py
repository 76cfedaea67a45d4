"""The `calendars` section of a declaration."""

from copy import deepcopy
from typing import Any

import pytest
from pydantic import ValidationError

from config.database import Database
from config.declarations.section import Change
from scheduling.declarations import CALENDARS
from scheduling.provider import Attendee
from tests.conftest import Tenant, fetch, new_tenant
from tests.scheduling.calendars import MUSEUM, SCHOOL, at, calendar_at, declare

NOW = at("2026-11-24T09:40")


async def test_declaring_twice_changes_nothing(database: Database) -> None:
    tenant = await new_tenant(database)
    first = await declare(database, tenant, SCHOOL, MUSEUM)
    assert [change.what for change in first if change.action == "add"] == [
        "calendar school",
        "calendar school: service piano",
        "calendar school: service violin",
        "calendar museum",
        "calendar museum: service tour",
    ]
    assert await declare(database, tenant, SCHOOL, MUSEUM) == []


async def test_an_edit_changes_what_was_edited_and_keeps_bookings(
    database: Database, school: Tenant
) -> None:
    calendar = calendar_at(database, school, NOW)
    piano = (await calendar.calendar_info()).services[0]
    booked = await calendar.book(piano, at("2026-11-26T10:00"), Attendee(name="Ann One"))
    assert booked is not None
    edited = deepcopy(SCHOOL)
    edited["time_zone"] = "Europe/Lisbon"
    edited["hours"] = {"mon-fri": "10:00-16:00", "sat": "closed"}
    edited["services"] = [
        {"id": "violin", "name": "Violin lesson", "minutes": 30},
        {"id": "cello", "name": "Cello lesson", "minutes": 60},
    ]
    assert await declare(database, school, edited) == [
        Change("change", "calendar school", "time zone Europe/Berlin to Europe/Lisbon"),
        Change("change", "calendar school", "hours"),
        Change(
            "change",
            "calendar school: service violin",
            "Violin lesson, 60 minutes to Violin lesson, 30",
        ),
        Change("add", "calendar school: service cello"),
        Change("remove", "calendar school: service piano"),
    ]
    assert await declare(database, school, edited) == []
    stored = await calendar.booking(booked.reference)
    assert stored is not None
    assert (stored.service.name, stored.service.minutes) == ("piano", 45)
    info = await calendar.calendar_info()
    assert {service.id for service in info.services} == {"violin", "cello"}


async def test_the_zone_is_the_business_s_unless_declared(database: Database) -> None:
    tenant = await new_tenant(database)
    declared = SCHOOL | {"name": "declared", "time_zone": "Asia/Tokyo"}
    await declare(database, tenant, SCHOOL, declared, time_zone="America/Lima")
    rows = await fetch(database, tenant, "select name, time_zone from calendar order by name")
    assert [tuple(row.values()) for row in rows] == [
        ("declared", "Asia/Tokyo"),
        ("school", "America/Lima"),
    ]


@pytest.mark.parametrize(
    ("edit", "complaint"),
    [
        ({"hours": {"mon-fry": "09:00-18:00"}}, "'fry' is not a day"),
        ({"hours": {"fri-mon": "09:00-18:00"}}, "'fri-mon' is not a range of days"),
        ({"hours": {"mon": "9 to 5"}}, "mon: '9 to 5' is not a range of hours like 09:00-18:00"),
        ({"hours": {"mon": ""}}, "mon: '' is not a range of hours"),
        ({"hours": {"mon": "18:00-18:00"}}, "'18:00-18:00' ends when it begins"),
        ({"hours": {"mon": "18:00-25:00"}}, "or 20:00-02:00 for over midnight"),
        ({"hours": {"mon": "09:00-12:00, 11:00-14:00"}}, "overlaps itself"),
        ({"hours": {"mon-fri": "09:00-18:00", "wed": "09:00-12:00"}}, "wed is given twice"),
        ({"time_zone": "Mars/Base"}, "'Mars/Base' is not a time zone"),
        ({"services": []}, "at least 1 item"),
        ({"services": [SCHOOL["services"][0]] * 2}, "the service 'piano' is declared twice"),
        ({"services": [{"id": "Piano", "name": "P", "minutes": 30}]}, "should match pattern"),
        ({"services": [{"id": "p", "name": "P", "minutes": 0}]}, "greater than or equal to 5"),
        ({"colour": "red"}, "Extra inputs are not permitted"),
    ],
)
def test_a_mistake_is_named(edit: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint.replace("'", ".")):
        CALENDARS.item.model_validate(SCHOOL | edit)
