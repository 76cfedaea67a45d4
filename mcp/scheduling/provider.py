"""The protocol of scheduling providers, and the models that it takes and returns."""

from collections.abc import Mapping
from datetime import date, time
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
# A detail that a booking requires besides a name; of `email_or_phone`, one will do.
Need = Literal["email", "phone", "email_or_phone"]
# `unknown` is any status of a vendor that is known to be none of the others.
BookingStatus = Literal["booked", "requested", "cancelled", "unknown"]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class Service(_Model):
    """A service that can be booked, and how many minutes it takes.

    `needs` are details that it requires besides those of its calendar. `occurrences` is how many
    bookings are made at once: more than one for a series.
    """

    id: str
    name: str
    minutes: int
    needs: tuple[Need, ...] = ()
    occurrences: int = 1


class CalendarInfo(_Model):
    """The services and the time zone of a calendar.

    `opens` and `closes` are times in that zone: they decide whether "at eight" is in the morning
    or in the evening. `needs` are the details that a booking requires besides a name. Where
    `phones` are international, a number without a country code counts as none, unless it is one of
    `country`, an ISO 3166 code.
    """

    time_zone: TimeZone
    services: tuple[Service, ...]
    needs: tuple[Need, ...] = ()
    phones: Literal["any", "international"] = "any"
    country: str | None = None
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
    """A time that one person has booked, or asked for.

    `reference` is a short form of the id, which a model passes on. `requested` is what somebody
    still has to confirm. A booking with a `day` is for any time of it, and `starts_at` says no
    time. `occurrences` is how many bookings were made with it, itself included.
    """

    id: str
    reference: str
    service: Service
    starts_at: UtcDatetime
    attendee: Attendee
    status: BookingStatus
    day: date | None = None
    occurrences: int = 1


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
        """Return a booking by its reference or its id, whatever its status.

        Raises:
            Rejected: several people share it, and the reference does not say whose it is.
        """
        ...

    async def find_bookings(self, name: str | None, phone: str | None) -> list[Booking]:
        """Return the future bookings of the person with this name or phone, earliest first."""
        ...

    async def move(self, booking: Booking, start: AwareDatetime) -> Booking | None:
        """Move a booking, of one person alone; return None when the time is no longer free."""
        ...

    async def cancel(self, booking: Booking, reason: str | None) -> Booking:
        """Cancel a booking, of one person alone. Cancelling it again is not an error."""
        ...
