"""Finds free times and bookings in the calling tenant's calendar, and refuses what cannot be."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from fastmcp.dependencies import Depends

from config.columns import now
from scheduling import matching, sentences
from scheduling.handles import format_handle, parse_handle
from scheduling.inputs import international_phone
from scheduling.provider import (
    Attendee,
    Booking,
    CalendarInfo,
    Need,
    SchedulingProvider,
    Service,
)
from scheduling.registry import PROVIDERS
from scheduling.results import (
    BookingDetails,
    BookingListResult,
    BookingResult,
    OfferedSlot,
    SlotsResult,
)
from scheduling.slots import (
    MAX_OFFERED,
    choose_slots,
    end_of,
    evening_of,
    is_wanted,
    nearest_slots,
)
from toolkit.errors import NotFound, Rejected
from toolkit.instants import add, first_moment, utc
from toolkit.speech import phrases
from toolkit.speech.times import local_datetime
from toolkit.speech.when import TimeRequest, parse_when
from toolkit.tenancy import tenant_provider

_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)
_MINUTE = timedelta(minutes=1)
_WEEKS_AHEAD = 9  # how far the next free time is looked for
_ALTERNATIVES = 2


@dataclass(frozen=True)
class SchedulingOperations:
    """One calendar at one moment. `now` is in the calendar's zone.

    It has many methods because all tools share the calendar, its zone and the moment.
    """

    calendar: SchedulingProvider
    info: CalendarInfo
    zone: ZoneInfo
    now: datetime

    def find_service(self, text: str) -> Service:
        """Return the service that a caller named.

        Raises:
            Rejected: the words name no service, or several.
        """
        service = matching.find_service(text, self.info.services)
        if service is None:
            names = phrases.join_words([each.name for each in self.info.services])
            raise Rejected(
                f"The services are: {names}.",
                say=sentences.say("which_service", services=names),
                next="Call get_available_slots with one of these services.",
            )
        return service

    def find_service_of_slot(self, slot: str) -> Service:
        """Return the service of a handle, or of a caller's words.

        Raises:
            Rejected: there are several services, and `slot` names none.
        """
        if len(self.info.services) == 1:
            return self.info.services[0]
        handle = parse_handle(slot, self.now.date(), self.zone)
        return self.find_service(handle.service_id or "" if handle else slot)

    def parse_when(self, when: str) -> TimeRequest | None:
        """Return when the caller would like to come; None if no day was named."""
        return parse_when(when, self.now, self.zone, self.info.opens, self.info.closes)

    def parse_start(self, slot: str) -> datetime:
        """Return the start of a handle, or of a caller's words.

        Raises:
            Rejected: the day or the time is left open, or has passed.
        """
        start = self._parse_start(slot)
        if start is None:
            raise Rejected(
                "That is not one of the offered times.",
                say=sentences.say("which_time"),
                next="Call get_available_slots, then pass on the handle of the chosen time.",
            )
        if utc(start) <= utc(self.now):
            raise Rejected(
                "That time has already passed.",
                say=sentences.say("past_time"),
                next="Call get_available_slots with the caller's answer.",
            )
        return start

    async def offer_slots(self, service: Service, request: TimeRequest) -> SlotsResult:
        """Return a few of the free times that were asked for, or else the next ones after them."""
        today = self.now.date()
        days = request.all_days
        if days[-1] < today:
            return SlotsResult(say=sentences.say("past_day"), offered=[])
        first, last = self._midnight(days[0]), end_of(days[-1], self.zone, self.info.nights)
        free = [
            start
            for start in await self._free_starts(service, first, last)
            if is_wanted(request, start, self.info.nights, today)
        ]
        if free:
            starts = choose_slots(free, request, self.info.nights, today)
            say = sentences.describe_slots(starts, today, request)
        else:
            free = await self._later_starts(service, request)
            starts = free[:MAX_OFFERED]
            say = sentences.describe_full(request, starts, today)
        offered = [self._to_offered_slot(service, start) for start in starts]
        return SlotsResult(say=say, offered=offered, more=len(free) > len(starts))

    def complete_contact_details(self, service: Service, attendee: Attendee) -> Attendee:
        """Return the attendee with a phone number in the form that this calendar takes.

        Raises:
            Rejected: something that a booking needs is missing; the caller is to be asked for it.
        """
        usable = attendee.phone
        if usable and self.info.phones == "international":
            usable = international_phone(usable, self.info.country)
        details = {
            "email": attendee.email,
            "phone": usable,
            "email_or_phone": attendee.email or usable,
        }
        for need in (*self.info.needs, *service.needs):
            if not details[need]:
                raise _missing(need, without_country=bool(attendee.phone))
        return attendee.model_copy(update={"phone": usable or attendee.phone})

    async def require_free(
        self, service: Service, start: datetime, moving: Booking | None = None
    ) -> None:
        """Make sure that a time can be booked.

        Raises:
            Rejected: it cannot; the nearest free times are offered.
        """
        free = await self._free_starts(service, start, add(start, _MINUTE), moving)
        if utc(start) not in map(utc, free):
            raise await self.slot_taken(service, start, moving)

    async def slot_taken(
        self, service: Service, start: datetime, moving: Booking | None = None
    ) -> Rejected:
        """Return the error for a time that is not free, with the nearest times that are."""
        day = self.to_local(start).date()
        evening = evening_of(self.to_local(start), self.info.nights)
        first, last = self._midnight(evening), self._midnight(day + _WEEK)
        free = await self._free_starts(service, first, last, moving)
        starts = nearest_slots(free, start, _ALTERNATIVES)
        label = self.label(start)
        say = sentences.describe_taken(label, starts, self.now.date())
        if not starts:
            return Rejected(f"{label} is not free.", say=say)
        offered = [self._to_offered_slot(service, each) for each in starts]
        instead = ", ".join(f"{slot.handle} ({slot.label})" for slot in offered)
        return Rejected(
            f"{label} is not free. Free instead: {instead}.",
            say=say,
            next="Call again with one of these handles, once the caller has chosen.",
        )

    async def get_booking(self, reference: str) -> Booking:
        """Return a booking of this calendar.

        Raises:
            NotFound: there is none, or it is another tenant's.
        """
        booking = await self.calendar.booking(reference)
        if booking is None:
            raise NotFound(
                "There is no such booking.",
                say=sentences.say("no_such_booking"),
                next="Call list_bookings with the caller's name or phone number.",
            )
        return booking

    async def get_upcoming_booking(self, reference: str) -> Booking:
        """Return a booking whose time has not passed.

        Raises:
            NotFound: there is none, or it is another tenant's.
            Rejected: its time has passed.
        """
        booking = await self.get_booking(reference)
        over = booking.starts_at <= self.now
        if booking.day is not None:
            over = booking.day < self.now.date()
        if over:
            raise Rejected("That booking is in the past.", say=sentences.say("past_booking"))
        return booking

    def label(self, start: datetime) -> str:
        """Return a time as it is said: `Thursday at ten thirty in the morning`."""
        return sentences.datetime_label(self.to_local(start), self.now.date())

    def on_label(self, start: datetime) -> str:
        """Return a time within a sentence: `on Thursday at ten thirty in the morning`."""
        return sentences.on_datetime(self.to_local(start), self.now.date())

    def booking_label(self, booking: Booking) -> str:
        """Return the time of a booking as it is said, or its day if it has no time."""
        if booking.day is not None:
            return sentences.day_label(booking.day, self.now.date())
        return self.label(booking.starts_at)

    def on_booking_label(self, booking: Booking) -> str:
        """Return the time of a booking within a sentence, or its day if it has no time."""
        if booking.day is not None:
            return sentences.on_day(booking.day, self.now.date())
        return self.on_label(booking.starts_at)

    def is_at(self, booking: Booking, request: TimeRequest) -> bool:
        """Say whether a booking is at a requested time; one without a time, on that day."""
        if booking.day is not None:
            return booking.day in request.all_days
        return request.includes(self.to_local(booking.starts_at))

    def to_local(self, start: datetime) -> datetime:
        """Return a time in the calendar's zone."""
        return start.astimezone(self.zone)

    def to_result(self, booking: Booking, say: str) -> BookingResult:
        """Return a booking, and what to say about it."""
        return BookingResult(say=say, **self._to_details(booking).model_dump())

    def to_list_result(self, bookings: Sequence[Booking]) -> BookingListResult:
        """Return bookings, and what to say about them."""
        say = sentences.describe_bookings(
            [(each, self.on_booking_label(each)) for each in bookings]
        )
        return BookingListResult(say=say, bookings=[self._to_details(each) for each in bookings])

    def _to_details(self, booking: Booking) -> BookingDetails:
        start = self.to_local(booking.starts_at).isoformat(timespec="minutes")
        return BookingDetails(
            id=booking.reference,
            service=booking.service.name,
            starts_at=booking.day.isoformat() if booking.day else start,
            label=self.booking_label(booking),
            name=booking.attendee.name,
            phone=booking.attendee.phone,
            status=booking.status,
        )

    def _to_offered_slot(self, service: Service, start: datetime) -> OfferedSlot:
        several = len(self.info.services) > 1
        handle = format_handle(start, self.now.date(), service.id if several else None)
        return OfferedSlot(handle=handle, label=self.label(start))

    def _parse_start(self, slot: str) -> datetime | None:
        if handle := parse_handle(slot, self.now.date(), self.zone):
            return handle.starts_at
        request = self.parse_when(slot)
        if request is None or not request.is_exact or request.daytime.at is None:
            return None
        return local_datetime(request.days[0], request.daytime.at, self.zone)

    async def _free_starts(
        self, service: Service, start: datetime, end: datetime, moving: Booking | None = None
    ) -> list[datetime]:
        slots = await self.calendar.find_slots(service, start, end, moving)
        return [self.to_local(slot.starts_at) for slot in slots]

    async def _later_starts(self, service: Service, request: TimeRequest) -> list[datetime]:
        """Return the free times of the first week after the requested time that has any."""
        last = request.all_days[-1]
        start = self._midnight(last + _DAY)
        if (latest := request.daytime.latest) and not request.others:
            start = first_moment(last, latest, self.zone)
        for _ in range(_WEEKS_AHEAD):
            last += _WEEK
            end = self._midnight(last + _DAY)
            if free := await self._free_starts(service, start, end):
                return free
            start = end
        return []

    def _midnight(self, day: date) -> datetime:
        return first_moment(day, time.min, self.zone)


def _missing(need: Need, *, without_country: bool) -> Rejected:
    """Return the error for a detail that is missing, or is a phone number of no country."""
    detail: str = need
    if without_country and need != "email":
        detail = "country_code" if need == "phone" else "country_code_or_email"
    asked = detail.replace("_", " ")
    return Rejected(
        f"This calendar books with {asked} only.",
        say=sentences.say("which_detail", detail=detail),
        next=f"Call again with the caller's {asked}.",
    )


_PROVIDER: SchedulingProvider = Depends(tenant_provider(PROVIDERS))


async def _open_operations(provider: SchedulingProvider = _PROVIDER) -> SchedulingOperations:
    info = await provider.calendar_info()
    zone = ZoneInfo(info.time_zone)
    return SchedulingOperations(provider, info, zone, now().astimezone(zone))


OPERATIONS: SchedulingOperations = Depends(_open_operations)
