"""The front desk: one calendar, at one moment, with what its callers are told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from scheduling import handles, services
from scheduling.provider import Agenda, Attendee, Booking, SchedulingProvider, Service
from scheduling.results import BookingDetails, Offer, Offers
from scheduling.slots import OFFERED, chosen, nearest
from toolkit.errors import NotFound, Rejected
from toolkit.speech import phrases
from toolkit.speech.times import moment
from toolkit.speech.when import TimeRequest, parse_when

_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)
_WEEKS_AHEAD = 9  # how far the next free time is looked for
_ALTERNATIVES = 2
ASK_FOR_DAY = "For which day would you like to come?"
_CHOOSE = "Which one would you like?"


@dataclass(frozen=True)
class Desk:
    """Answers for one calendar. `now` is in the calendar's zone."""

    calendar: SchedulingProvider
    agenda: Agenda
    zone: ZoneInfo
    now: datetime

    def service(self, text: str) -> Service:
        """Return the service that is meant.

        Raises:
            Rejected: it could be none or several.
        """
        service = services.named(text, self.agenda.services)
        if service is None:
            names = phrases.join_words([each.name for each in self.agenda.services])
            raise Rejected(
                f"The services are: {names}.",
                say=f"What would you like to book: {names}?",
                next="Call get_available_slots with one of these services.",
            )
        return service

    def wish(self, when: str) -> TimeRequest | None:
        """Return when the caller would like to come; None if no day was named."""
        return parse_when(when, self.now, self.zone, self.agenda.opens, self.agenda.closes)

    def start(self, slot: str) -> datetime:
        """Return the one moment that a handle, or the caller's words, stand for.

        Raises:
            Rejected: they leave the day or the time open, or it has passed.
        """
        start = self._start(slot)
        if start is None:
            raise Rejected(
                "That is not one of the offered times.",
                say="Which day and time would you like?",
                next="Call get_available_slots, then pass on the handle of the chosen time.",
            )
        if start <= self.now:
            raise Rejected(
                "That time has already passed.",
                say=f"That time has already passed. {ASK_FOR_DAY}",
                next="Call get_available_slots with the caller's answer.",
            )
        return start

    def service_of(self, slot: str) -> Service:
        """Return the service that a slot was offered for.

        Raises:
            Rejected: it names none.
        """
        read = handles.read(slot, self.now.date(), self.zone)
        if len(self.agenda.services) == 1:
            return self.agenda.services[0]
        return self.service(read.service_id or "" if read else slot)

    async def offers(self, service: Service, wish: TimeRequest) -> Offers:
        """Return a few of the free times that were asked for, or else the next ones after them."""
        today = self.now.date()
        if wish.days[-1] < today:
            return Offers(say=f"That day has already passed. {ASK_FOR_DAY}", offered=[])
        first, last = self._midnight(wish.days[0]), self._midnight(wish.days[-1] + _DAY)
        free = [s for s in await self._free(service, first, last) if wish.includes(s)]
        if free:
            starts = chosen(free, wish)
            say = self._offer(starts, wish)
        else:
            free = await self._later(service, wish)
            starts = free[:OFFERED]
            say = f"{self._full(wish)} {self._offer(starts) if starts else ''}".strip()
        offered = [self._offered(service, start) for start in starts]
        return Offers(say=say, offered=offered, more=len(free) > len(starts))

    def require_complete(self, attendee: Attendee) -> None:
        """Make sure that the calendar takes a booking for this person.

        Raises:
            Rejected: something is missing; the caller is to be asked for it.
        """
        given = {"email": attendee.email, "phone": attendee.phone}
        for name in self.agenda.needs:
            if not given[name]:
                wanted = "e-mail address" if name == "email" else "phone number"
                raise Rejected(
                    f"This calendar books with {name} only.",
                    say=f"What is your {wanted}, please?",
                    next=f"Call again with the caller's {name}.",
                )

    async def require_free(
        self, service: Service, start: datetime, moving: Booking | None = None
    ) -> None:
        """Make sure that a time can be booked.

        Raises:
            Rejected: it cannot; the nearest others are offered.
        """
        if start not in await self._free(service, start, start + timedelta(minutes=1), moving):
            raise await self.taken(service, start, moving)

    async def taken(
        self, service: Service, start: datetime, moving: Booking | None = None
    ) -> Rejected:
        """Return the refusal of a time that is not free, with the nearest ones that are."""
        day = self._midnight(start.date())
        free = await self._free(service, day, day + _WEEK, moving)
        starts = nearest(free, start, _ALTERNATIVES)
        label = self.label(start)
        if not starts:
            return Rejected(f"{label} is not free.", say=f"I'm afraid {label} is not free.")
        offers = [self._offered(service, each) for each in starts]
        instead = ", ".join(f"{offer.handle} ({offer.label})" for offer in offers)
        return Rejected(
            f"{label} is not free. Free instead: {instead}.",
            say=f"I'm afraid {label} is not free. {self._offer(starts)}",
            next="Call again with one of these handles, once the caller has chosen.",
        )

    async def booking(self, reference: str) -> Booking:
        """Return a booking of this calendar.

        Raises:
            NotFound: there is none, or it is somebody else's.
        """
        booking = await self.calendar.booking(reference)
        if booking is None:
            raise NotFound(
                "There is no such booking.",
                say="I can't find that booking. Under which name is it?",
                next="Call list_bookings with the caller's name or phone number.",
            )
        return booking

    async def open_booking(self, reference: str) -> Booking:
        """Return a booking that can still be changed.

        Raises:
            NotFound: there is none, or it is somebody else's.
            Rejected: its time has passed.
        """
        booking = await self.booking(reference)
        if booking.starts_at <= self.now:
            raise Rejected("That booking is in the past.", say="That booking is in the past.")
        return booking

    def local(self, moment: datetime) -> datetime:
        """Return a moment on the calendar's own clock."""
        return moment.astimezone(self.zone)

    def label(self, start: datetime) -> str:
        """Return a time as it is said."""
        return phrases.label(self.local(start), self.now.date())

    def details(self, booking: Booking) -> BookingDetails:
        """Return a booking as the tools show it."""
        start = self.local(booking.starts_at)
        return BookingDetails(
            id=booking.reference,
            service=booking.service.name,
            starts_at=start.isoformat(timespec="minutes"),
            label=self.label(start),
            name=booking.attendee.name,
            phone=booking.attendee.phone,
            status=booking.status,
        )

    def _start(self, slot: str) -> datetime | None:
        if read := handles.read(slot, self.now.date(), self.zone):
            return read.starts_at
        wish = self.wish(slot)
        if wish is None or len(wish.days) != 1 or wish.daytime.at is None:
            return None
        return moment(wish.days[0], wish.daytime.at, self.zone)

    async def _free(
        self, service: Service, start: datetime, end: datetime, moving: Booking | None = None
    ) -> list[datetime]:
        slots = await self.calendar.free(service, start, end, moving)
        return [self.local(slot.starts_at) for slot in slots]

    async def _later(self, service: Service, wish: TimeRequest) -> list[datetime]:
        """Return the free times of the first week after the wish that has any."""
        start = self._midnight(wish.days[-1] + _DAY)
        if latest := wish.daytime.latest:
            start = datetime.combine(wish.days[-1], latest, self.zone)
        for _ in range(_WEEKS_AHEAD):
            if free := await self._free(service, start, start + _WEEK):
                return free
            start += _WEEK
        return []

    def _offer(self, starts: Sequence[datetime], wish: TimeRequest | None = None) -> str:
        """Say what is free, beginning with the very time that was asked for."""
        today = self.now.date()
        choose = "Would you like it?" if len(starts) == 1 else _CHOOSE
        one_day = len({start.date() for start in starts}) == 1
        asked = wish.daytime.at if wish and len(wish.days) == 1 else None
        if asked and starts[0].time() == asked:
            exact, *near = starts
            others = f" I also have {phrases.times(near, today)}." if near else ""
            return f"{self.label(exact)} is free.{others} {choose}"
        times = phrases.times(starts, today)
        if asked:
            wanted = datetime.combine(starts[0].date(), asked, self.zone)
            return f"{self.label(wanted)} is not free, but I have {times}. {choose}"
        if one_day:
            return f"On {phrases.day_label(starts[0].date(), today)} I have {times}. {choose}"
        return f"I have {times}. {choose}"

    def _full(self, wish: TimeRequest) -> str:
        if wish.days[0] != wish.days[-1]:
            return "There is nothing free then."
        day = phrases.day_label(wish.days[0], self.now.date())
        whole = wish.daytime.earliest == time.min and wish.daytime.latest is None
        return f"On {day} there is nothing free{'' if whole else ' at that time'}."

    def _offered(self, service: Service, start: datetime) -> Offer:
        several = len(self.agenda.services) > 1
        handle = handles.handle(start, self.now.date(), service.id if several else None)
        return Offer(handle=handle, label=self.label(start))

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time.min, self.zone)
