"""A calendar in memory: the fake vendors store their bookings in it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
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
        return self.start.astimezone(UTC) + timedelta(minutes=self.service.minutes)


@dataclass
class FakeCalendar:
    """A calendar that is free at every full hour from nine to four, except for bookings.

    Its times have the offset that its zone has then, as vendors write them.
    """

    services: tuple[FakeService, ...] = (
        FakeService(7, "Piano lesson", 45),
        FakeService(8, "Violin lesson", 60),
    )
    bookings: list[FakeBooking] = field(default_factory=list[FakeBooking])
    zone: ZoneInfo = ZONE
    hours: range = range(OPENS, CLOSES)
    _ids: Iterator[int] = field(default_factory=lambda: count(101))

    def service(self, service_id: int) -> FakeService:
        """Return one of the services."""
        return next(each for each in self.services if each.id == service_id)

    def starts(self, first: date, last: date) -> list[datetime]:
        """Return the full hours of these days, the last included, at which it is open."""
        begin, end = (
            datetime.combine(day, time.min, self.zone).astimezone(UTC)
            for day in (first, last + timedelta(days=1))
        )
        hours = range((end - begin) // timedelta(hours=1))
        starts = [self._local(begin + timedelta(hours=hour)) for hour in hours]
        return [start for start in starts if start.hour in self.hours]

    def free_starts(self, first: date, last: date) -> list[datetime]:
        """Return the free times of these days, the last included."""
        starts = self.starts(first, last)
        return [each for each in starts if each > datetime.now(UTC) and not self.is_taken(each)]

    def is_taken(self, start: datetime) -> bool:
        """Say whether a time is within a booking."""
        return any(each.start <= start < each.end for each in self.active_bookings())

    def is_free(self, start: datetime) -> bool:
        """Say whether a time can be booked."""
        day = start.astimezone(self.zone).date()
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

    def _local(self, moment: datetime) -> datetime:
        offset = moment.astimezone(self.zone).utcoffset() or timedelta()
        return moment.astimezone(timezone(offset))
