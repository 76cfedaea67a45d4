"""The tables of the builtin provider."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, ForeignKeyConstraint, Index, UniqueConstraint
from sqlmodel import Field

from config.columns import TenantRow, json, timestamp


class Calendar(TenantRow, table=True):
    """A calendar with its opening hours, as `OpeningHours` explains them, in its time zone."""

    __table_args__ = (
        UniqueConstraint("business_id", "name"),
        UniqueConstraint("business_id", "id"),
    )
    name: str
    time_zone: str
    hours: dict[str, Any] = json({})
    updated_at: datetime = timestamp()


class CalendarService(TenantRow, table=True):
    """A service that can be booked, and how many minutes it takes."""

    __table_args__ = (
        UniqueConstraint("calendar_id", "service_key"),
        ForeignKeyConstraint(
            ["business_id", "calendar_id"],
            ["calendar.business_id", "calendar.id"],
            ondelete="CASCADE",
        ),
    )
    calendar_id: UUID
    service_key: str
    name: str
    minutes: int


class CalendarBooking(TenantRow, table=True):
    """A booked time."""

    __table_args__ = (
        UniqueConstraint("business_id", "idempotency_key"),
        Index("ix_calendar_booking_calendar_id_starts_at", "calendar_id", "starts_at"),
        ForeignKeyConstraint(
            ["business_id", "calendar_id"], ["calendar.business_id", "calendar.id"]
        ),
    )
    calendar_id: UUID
    service_key: str
    starts_at: datetime = Field(sa_type=DateTime(timezone=True))
    ends_at: datetime = Field(sa_type=DateTime(timezone=True))
    attendee_name: str
    attendee_phone: str | None = None
    attendee_email: str | None = None
    notes: str | None = None
    status: str
    cancellation_reason: str | None = None
    idempotency_key: str | None = None
    updated_at: datetime = timestamp()
