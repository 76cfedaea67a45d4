"""Calendars for the tests: a music school, open every day, and a museum."""

from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx2

from config.database import Database
from config.declarations.section import ApplyContext, Change
from config.security.vault import Account, DatabaseVault
from config.slow_work import SlowWork
from scheduling.declarations import CALENDARS
from scheduling.operations import SchedulingOperations
from scheduling.providers.builtin.provider import Builtin
from tests.conftest import Tenant
from toolkit.tenancy import Attempt, Runtime, ToolCall

BERLIN = ZoneInfo("Europe/Berlin")
SCHOOL: dict[str, Any] = {
    "name": "school",
    "services": [
        {"id": "piano", "name": "Piano lesson", "minutes": 45},
        {"id": "violin", "name": "Violin lesson", "minutes": 60},
    ],
    "hours": {"mon-sun": "09:00-18:00"},
}
MUSEUM: dict[str, Any] = {
    "name": "museum",
    "services": [{"id": "tour", "name": "Guided tour", "minutes": 60}],
    "hours": {"mon-fri": "09:00-12:00, 14:00-18:00", "sat": "10:00-14:00"},
}


def at(text: str, zone: ZoneInfo = BERLIN) -> datetime:
    """Return a local time: `2026-11-26T10:30`."""
    return datetime.fromisoformat(text).replace(tzinfo=zone)


async def declare(
    database: Database, tenant: Tenant, *calendars: dict[str, Any], time_zone: str = "Europe/Berlin"
) -> list[Change]:
    """Apply a declaration of calendars."""
    items = [CALENDARS.item.model_validate(calendar) for calendar in calendars]
    async with database.tenant(tenant.business_id) as session:
        applying = ApplyContext(session, tenant.business_id, time_zone, Path(), SlowWork())
        return await CALENDARS.apply(applying, items)


def calendar_at(
    database: Database,
    tenant: Tenant,
    now: datetime,
    *,
    name: str | None = None,
    key: str | None = None,
) -> Builtin:
    """Return the tenant's calendar with its clock at `now`."""
    runtime = Runtime(httpx2.AsyncClient(), DatabaseVault(database, None), database)
    call = ToolCall(tenant.claims(), runtime, Attempt(key) if key else None)
    return Builtin(Account("builtin", name), call, clock=lambda: now)


async def operations_at(
    database: Database, tenant: Tenant, now: datetime, *, name: str | None = None
) -> SchedulingOperations:
    """Return the operations on the tenant's calendar with its clock at `now`."""
    calendar = calendar_at(database, tenant, now, name=name)
    info = await calendar.calendar_info()
    zone = ZoneInfo(info.time_zone)
    return SchedulingOperations(calendar, info, zone, now.astimezone(zone))
