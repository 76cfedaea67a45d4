"""What a scheduling vendor must be able to do, in our words."""

from datetime import time
from typing import Annotated, Literal, Protocol
from zoneinfo import available_timezones

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict


def _known(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("is not a time zone of the IANA database")
    return name


TimeZone = Annotated[str, AfterValidator(_known)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class Service(_Model):
    """Something that can be booked, and how long it takes."""

    id: str
    name: str
    minutes: int


class Agenda(_Model):
    """What can be booked, and the clock that its callers mean.

    `opens` and `closes` tell which half of the day "at eight" is in; `needs` is what a booking
    takes besides a name.
    """

    time_zone: TimeZone
    services: tuple[Service, ...]
    needs: tuple[Literal["email", "phone"], ...] = ()
    opens: time = time(8)
    closes: time = time(18)


class Slot(_Model):
    """A free time."""

    starts_at: AwareDatetime
    ends_at: AwareDatetime


class Attendee(_Model):
    """The person the booking is for."""

    name: str
    phone: str | None = None
    email: str | None = None
    notes: str | None = None


class Booking(_Model):
    """A booked time. `reference` is the id in short, for a model to pass on."""

    id: str
    reference: str
    service: Service
    starts_at: AwareDatetime
    attendee: Attendee
    status: Literal["booked", "cancelled"]


class SchedulingProvider(Protocol):
    """One tenant's calendar at one vendor."""

    async def check(self) -> None:
        """Make one harmless request, to see that the account works."""
        ...

    async def agenda(self) -> Agenda:
        """Return the services and the time zone."""
        ...

    async def free(
        self,
        service: Service,
        start: AwareDatetime,
        end: AwareDatetime,
        moving: Booking | None = None,
    ) -> list[Slot]:
        """Return the free times that start in [start, end), earliest first, none of them past.

        The time that `moving` takes counts as free.
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
        """Return what an earlier try of this very call has booked, if there was one.

        Raises:
            OutcomeUnknown: there was one, and nobody can tell what became of it.
        """
        ...

    async def booking(self, reference: str) -> Booking | None:
        """Return a booking by its reference or its id, whatever its status."""
        ...

    async def upcoming(self, name: str | None, phone: str | None) -> list[Booking]:
        """Return a person's bookings from now on, earliest first."""
        ...

    async def move(self, booking: Booking, start: AwareDatetime) -> Booking | None:
        """Move a booking; return None when the time is no longer free."""
        ...

    async def cancel(self, booking: Booking, reason: str | None) -> Booking:
        """Cancel a booking. Cancelling twice is not an error."""
        ...
