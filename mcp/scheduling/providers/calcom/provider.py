"""Cal.com API v2: https://cal.com/docs/api-reference/v2."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from pydantic import AwareDatetime, SecretStr

from config.columns import now
from config.security.vault import Account
from scheduling.matching import attendee_of, of_person, too_many_bookings
from scheduling.provider import Attendee, Booking, CalendarInfo, Service, Slot
from scheduling.providers.calcom import mapping
from scheduling.sentences import say
from toolkit.errors import Conflict, NotFound, Rejected
from toolkit.http.client import HeaderAuth, VendorApi
from toolkit.http.concurrency import map_concurrently
from toolkit.instants import add, utc
from toolkit.speech.times import format_utc
from toolkit.tenancy import Credentials, ToolCall

# Cal.com versions each resource on its own date.
_BOOKINGS = {"cal-api-version": "2024-08-13"}
_SLOTS = {"cal-api-version": "2024-09-04"}
_EVENT_TYPES = {"cal-api-version": "2024-06-14"}
_INFO_TTL = 300.0  # seconds
_PAGE_SIZE = 250  # the most that Cal.com lists at once
_MAX_PAGES = 4
_MINUTE = timedelta(minutes=1)


class CalComCredentials(Credentials):
    """What a tenant pastes in to connect Cal.com."""

    api_key: SecretStr


class CalCom:
    """A tenant's Cal.com calendar. A service is an event type.

    The setting `default_country`, such as DE, is the country of phone numbers that are given
    without a country code; without it the caller is asked for the code where Cal.com needs one.
    """

    credentials: ClassVar[type[Credentials]] = CalComCredentials
    unsupported: ClassVar[Mapping[str, str]] = {}

    def __init__(self, account: Account, call: ToolCall) -> None:
        key = CalComCredentials.model_validate(account.secrets).api_key.get_secret_value()
        self._account = account
        self._call = call
        self._api = VendorApi(
            "Cal.com",
            account.base_url("https://api.cal.com"),
            call.vendor_connection(account),
            HeaderAuth("Authorization", f"Bearer {key}"),
            mapping.read_refusal,
        )

    async def check(self) -> None:
        """Read the profile of the key's owner."""
        await self._api.call("GET", ("v2", "me"), mapping.MeResponse)

    async def calendar_info(self) -> CalendarInfo:
        """Return the event types that are not hidden, and the owner's time zone."""
        key = "calendar info"
        return await self._call.cached(self._account, key, _INFO_TTL, self._fetch_calendar_info)

    async def find_slots(
        self,
        service: Service,
        start: AwareDatetime,
        end: AwareDatetime,
        moving: Booking | None = None,
    ) -> list[Slot]:
        """Return the free times that start in [start, end)."""
        if not service.id:
            raise _needs_a_person("Cal.com no longer offers what was booked.")
        params = {"eventTypeId": service.id, "start": format_utc(start), "end": format_utc(end)}
        if moving is not None:
            params["bookingUidToReschedule"] = moving.id
        answer = await self._api.call(
            "GET", ("v2", "slots"), mapping.SlotsResponse, params=params, headers=_SLOTS
        )
        length, current = timedelta(minutes=service.minutes), now()
        starts = sorted(each.start for day in answer.data.values() for each in day)
        return [
            Slot(starts_at=each, ends_at=each + length)
            for each in starts
            if start <= each < end and each > current
        ]

    async def book(
        self, service: Service, start: AwareDatetime, attendee: Attendee
    ) -> Booking | None:
        """Book a time; return None when it is no longer free."""
        time_zone = (await self.calendar_info()).time_zone
        body: dict[str, Any] = {
            "eventTypeId": int(service.id),
            "start": format_utc(start),
            "attendee": mapping.to_person(attendee, time_zone),
        }
        if notes := mapping.to_notes(attendee):
            body["bookingFieldsResponses"] = {"notes": notes}
        if self._call.idempotency_key:
            body["metadata"] = {mapping.METADATA_KEY: self._call.idempotency_key}
        path = ("v2", "bookings")
        return await self._book_or_move(service, start, path, body, attendee)

    async def find_lost_booking(
        self, service: Service, start: AwareDatetime, attendee: Attendee
    ) -> Booking | None:
        """Return the booking whose metadata has this call's idempotency key.

        Only a retry looks for it.
        """
        if not self._call.is_retry:
            return None
        # Whether the two times themselves are in the range is not documented.
        first = add(start, -_MINUTE)
        last = add(start, timedelta(minutes=service.minutes) + _MINUTE)
        records, _ = await self._list_bookings(
            eventTypeId=service.id, afterStart=format_utc(first), beforeEnd=format_utc(last)
        )
        services, key = await self._services(), self._call.idempotency_key
        for each in records:
            if each.start == utc(start) and (found := each.booking_with_key(key, services)):
                return found.model_copy(update={"occurrences": await self._occurrences(each)})
        return None

    async def booking(self, reference: str) -> Booking | None:
        """Return a booking by its uid, or that of a person by the uids of booking and seat.

        Of a series, the next booking is returned.
        """
        uid, seat = mapping.split_id(reference)
        try:
            records = await self._fetch(uid)
        except NotFound:
            return None
        current = now()
        record = next((each for each in records if each.start > current), records[-1])
        people = record.to_bookings(await self._services())
        if seat:
            return next((each for each in people if mapping.split_id(each.id)[1] == seat), None)
        if len(people) > 1:
            raise Rejected(
                "Several people share that booking.",
                say=say("shared_booking"),
                next="Call list_bookings with the caller's name or phone number.",
            )
        return people[0]

    async def find_bookings(self, name: str | None, phone: str | None) -> list[Booking]:
        """Return the future bookings of the person with this name or phone, earliest first.

        Cal.com's own search misses names, so all future bookings are read and compared here.

        Raises:
            Rejected: nobody of that name was found, and there are more bookings than can be read.
        """
        services = await self._services()
        records, is_complete = await self._list_bookings()
        unique = {each.uid: each for each in records}.values()
        bookings = [booking for each in unique for booking in each.to_bookings(services)]
        mine = of_person(bookings, attendee_of, name, phone)
        if not mine and not is_complete:
            raise too_many_bookings("There are more bookings than can be read.")
        return sorted(mine, key=lambda each: each.starts_at)

    async def move(self, booking: Booking, start: AwareDatetime) -> Booking | None:
        """Move a booking, or one seat of it; what was moved has a new uid.

        Return None when the time is not free.
        """
        uid, seat = _split_own(booking)
        body = {"start": format_utc(start), **({"seatUid": seat} if seat else {})}
        path = ("v2", "bookings", uid, "reschedule")
        return await self._book_or_move(
            booking.service, start, path, body, booking.attendee, booking
        )

    async def cancel(self, booking: Booking, reason: str | None) -> Booking:
        """Cancel a booking, or one seat of it. Cancelling it again is not an error."""
        if booking.status == "cancelled":
            return booking
        uid, seat = _split_own(booking)
        body = {"cancellationReason": reason or "cancelled by phone"}
        if seat:
            body["seatUid"] = seat
        path = ("v2", "bookings", uid, "cancel")
        try:
            await self._api.call(
                "POST", path, mapping.BookingResponse, json=body, headers=_BOOKINGS
            )
        except (Conflict, Rejected):
            # Either it is cancelled already, or the owner does not allow it.
            current = await self.booking(booking.id)
            if current is not None and current.status != "cancelled":
                raise
        return booking.model_copy(update={"status": "cancelled"})

    async def _fetch_calendar_info(self) -> CalendarInfo:
        me = await self._api.call("GET", ("v2", "me"), mapping.MeResponse)
        path = ("v2", "event-types")
        types = await self._api.call("GET", path, mapping.EventTypesResponse, headers=_EVENT_TYPES)
        return CalendarInfo(
            time_zone=me.data.timeZone,
            services=tuple(each.to_service() for each in types.data if not each.hidden),
            phones="international",
            country=self._account.settings.get("default_country"),
        )

    async def _services(self) -> Mapping[str, Service]:
        return {service.id: service for service in (await self.calendar_info()).services}

    async def _fetch(self, uid: str) -> Sequence[mapping.BookingRecord]:
        """Return the bookings of a uid: one, or all those of a series."""
        path = ("v2", "bookings", uid)
        answer = await self._api.call("GET", path, mapping.BookingResponse, headers=_BOOKINGS)
        return answer.records

    async def _occurrences(self, record: mapping.BookingRecord) -> int:
        """Return how many bookings the series of a booking has."""
        if record.recurringBookingUid is None:
            return 1
        return len(await self._fetch(record.recurringBookingUid))

    async def _list_bookings(self, **filters: str) -> tuple[list[mapping.BookingRecord], bool]:
        """Return the bookings to come, earliest first, and whether these are all of them.

        Those of a series that wait for the owner are not among the upcoming ones.
        """
        params: dict[str, str | int | Sequence[str]] = {
            **filters,
            "status": ["upcoming", "unconfirmed"],
            "sortStart": "asc",
        }

        async def fetch(skip: int) -> mapping.BookingsPage:
            page = {**params, "take": _PAGE_SIZE, "skip": skip}
            path = ("v2", "bookings")
            return await self._api.call(
                "GET", path, mapping.BookingsPage, params=page, headers=_BOOKINGS
            )

        first = await fetch(0)
        total = first.pagination.totalItems
        skips = range(_PAGE_SIZE, min(total, _PAGE_SIZE * _MAX_PAGES), _PAGE_SIZE)
        others = await map_concurrently(fetch, skips, limit=_MAX_PAGES)
        records = [each for page in (first, *others) for each in page.data]
        return records, total <= _PAGE_SIZE * _MAX_PAGES

    async def _book_or_move(
        self,
        service: Service,
        start: datetime,
        path: tuple[str, ...],
        body: Mapping[str, Any],
        attendee: Attendee,
        moving: Booking | None = None,
    ) -> Booking | None:
        """Send a booking; return None where it is refused because the time is no longer free."""
        try:
            answer = await self._api.call(
                "POST", path, mapping.BookingResponse, json=body, headers=_BOOKINGS
            )
        except mapping.SlotTaken:
            return None
        except mapping.Refused:
            raise
        except (Conflict, Rejected):
            # Cal.com answers 400 for a time that is taken, and for other refusals without a code.
            if await self.find_slots(service, start, add(start, _MINUTE), moving):
                raise
            return None
        return mapping.to_own_booking(answer, {service.id: service}, attendee)


def _split_own(booking: Booking) -> tuple[str, str | None]:
    """Return the uids of a booking and of the seat in it.

    Raises:
        Rejected: whose booking it is is hidden, so that it may be that of several people.
    """
    if not booking.attendee.name:
        raise _needs_a_person("Cal.com does not say whose booking that is.")
    return mapping.split_id(booking.id)


def _needs_a_person(happened: str) -> Rejected:
    return Rejected(
        happened,
        say=say("change_needs_a_person"),
        next="Do not retry. See that the caller's number is known for the call back.",
    )
