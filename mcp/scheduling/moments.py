"""Moments as vendors are told them."""

from datetime import UTC, datetime


def utc(moment: datetime) -> str:
    """Return `2026-11-26T09:00:00Z`."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
