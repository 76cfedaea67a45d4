"""Moments: of a day and a clock, and as vendors are told them."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo


def utc(moment: datetime) -> str:
    """Return `2026-11-26T09:00:00Z`."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def moment(day: date, at: time, zone: ZoneInfo) -> datetime | None:
    """Return a local time as a moment; None where the clocks skip it."""
    start = datetime.combine(day, at, zone)
    exists = datetime.fromtimestamp(start.timestamp(), zone).time() == at
    return start if exists else None
