"""A calendar in memory: the fake vendors store their bookings in it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Europe/Berlin")
OPENS, CLOSES = 9, 17  # every day, every full hour


@dataclass
class FakeService:
    """A service of the vendor's customer."""

    id: int
    name: str
    minutes: int


@dataclass
class FakeBooking:
    """A booking as the vendor stores it; `extra` holds whatever else was sent."""

    id: int
    service: FakeService
    start: datetime
    name: str
    phone: str | None = None
    email: str | None = None
    cancelled: bool = False
    extra: dict[str, object] = field(default_factory=dict[str, object])

    @property
    def end(self) -> datetime:
        """Return the end time."""
        return self.start + timedelta(minutes=self.service.minutes)


@dataclass
class FakeCalendar:
    """A calendar that is free at every full hour from nine to four, except for bookings."""

    services: tuple[FakeService, ...] = (
        FakeService(7, "Piano lesson", 45),
        FakeService(8, "Violin lesson", 60),
    )
    bookings: list[FakeBooking] = field(default_factory=list[FakeBooking])
    _ids: Iterator[int] = field(default_factory=lambda: count(101))

    def service(self, service_id: int) -> FakeService:
        """Return one of the services."""
        return next(each for each in self.services if each.id == service_id)

    def free_starts(self, first: date, last: date) -> list[datetime]:
        """Return the free times of these days, the last included."""
        taken = {each.start for each in self.bookings if not each.cancelled}
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        hours = [
            datetime.combine(day, time(hour), ZONE) for day in days for hour in range(OPENS, CLOSES)
        ]
        return [hour for hour in hours if hour > datetime.now(UTC) and hour not in taken]

    def is_free(self, start: datetime) -> bool:
        """Say whether a time can be booked."""
        day = start.astimezone(ZONE).date()
        return start in self.free_starts(day, day)

    def book(self, service_id: int, start: datetime, name: str, **details: object) -> FakeBooking:
        """Book a time."""
        phone, email = details.pop("phone", None), details.pop("email", None)
        booking = FakeBooking(
            next(self._ids),
            self.service(service_id),
            start,
            name,
            str(phone) if phone else None,
            str(email) if email else None,
            extra=details,
        )
        self.bookings.append(booking)
        return booking

    def find(self, booking_id: int) -> FakeBooking | None:
        """Return a booking by its id."""
        return next((each for each in self.bookings if each.id == booking_id), None)

    def active_bookings(self) -> list[FakeBooking]:
        """Return the bookings that are not cancelled."""
        return [each for each in self.bookings if not each.cancelled]
