"""The protocol of scheduling providers, and the models that it takes and returns."""

from collections.abc import Mapping
from datetime import time
from typing import Annotated, Literal, Protocol
from zoneinfo import available_timezones

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict

from toolkit.instants import UtcDatetime


def _check_time_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("is not a time zone of the IANA database")
    return name


# The weekdays, from Monday, 0, on, whose evening goes on after midnight, and until when it does.
Nights = Mapping[int, time]
TimeZone = Annotated[str, AfterValidator(_check_time_zone)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class Service(_Model):
    """A service that can be booked, and how many minutes it takes."""

    id: str
    name: str
    minutes: int


class CalendarInfo(_Model):
    """The services and the time zone of a calendar.

    `opens` and `closes` are times in that zone: they decide whether "at eight" is in the morning
    or in the evening. `needs` are the details that a booking requires besides a name.
    """

    time_zone: TimeZone
    services: tuple[Service, ...]
    needs: tuple[Literal["email", "phone"], ...] = ()
    opens: time = time(8)
    closes: time = time(18)
    nights: Nights = {}


class Slot(_Model):
    """A free time."""

    starts_at: UtcDatetime
    ends_at: UtcDatetime


class Attendee(_Model):
    """The person the booking is for."""

    name: str
    phone: str | None = None
    email: str | None = None
    notes: str | None = None


class Booking(_Model):
    """A booked time. `reference` is a short form of the id, which a model passes on."""

    id: str
    reference: str
    service: Service
    starts_at: UtcDatetime
    attendee: Attendee
    status: Literal["booked", "cancelled"]


class SchedulingProvider(Protocol):
    """One tenant's calendar at one vendor.

    What takes a moment takes it in any time zone, and turns it into UTC before it adds or compares.
    """

    async def check(self) -> None:
        """Make one harmless request that fails if the account does not work."""
        ...

    async def calendar_info(self) -> CalendarInfo:
        """Return the services, the time zone and the opening hours."""
        ...

    async def find_slots(
        self,
        service: Service,
        start: AwareDatetime,
        end: AwareDatetime,
        moving: Booking | None = None,
    ) -> list[Slot]:
        """Return the free times that start in [start, end), earliest first, none of them past.

        The time of the booking `moving` counts as free.
        """
        ...

    async def book(
        self, service: Service, start: AwareDatetime, attendee: Attendee
    ) -> Booking | None:
        """Book a time; return None when it is no longer free."""
        ...

    async def find_lost_booking(
        self, service: Service, start: AwareDatetime, attendee: Attendee
    ) -> Booking | None:
        """Return the booking that an earlier attempt of this tool call created, if there is one.

        Raises:
            OutcomeUnknown: there was an earlier attempt, and its outcome cannot be determined.
        """
        ...

    async def booking(self, reference: str) -> Booking | None:
        """Return a booking by its reference or its id, whatever its status."""
        ...

    async def find_bookings(self, name: str | None, phone: str | None) -> list[Booking]:
        """Return the future bookings of the person with this name or phone, earliest first."""
        ...

    async def move(self, booking: Booking, start: AwareDatetime) -> Booking | None:
        """Move a booking; return None when the time is no longer free."""
        ...

    async def cancel(self, booking: Booking, reason: str | None) -> Booking:
        """Cancel a booking. Cancelling it again is not an error."""
        ...
