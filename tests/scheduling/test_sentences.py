"""What the scheduling tools say, in the language of whoever is spoken to."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import uuid4

import pytest

from config.columns import now
from config.database import Database
from config.language.catalogue import DEFAULT, LANGUAGE, load_messages
from scheduling import sentences
from scheduling.provider import Attendee, Booking, BookingStatus, Service
from scheduling.server import SERVER
from tests.conftest import Tenant, fetch
from tests.scheduling.calendars import BERLIN
from tests.support.pseudo_locale import PSEUDO, latin_words, pseudo_locale
from tests.support.servers import Servers
from tests.support.translated import (
    TranslatedCaller,
    connect_translated,
    literal_sentences,
    unused_sentences,
)
from toolkit.speech.items import PartOfDay
from toolkit.speech.when import TimeRequest

TOOLS: tuple[str, ...] = tuple(SERVER.catalogue()["tools"])
WRITING = ("create_booking", "reschedule_booking", "cancel_booking")
DATA = ("Piano", "Violin", "lesson", "Guided tour", "Ann One", "Zoe Quist")
TODAY = date(2026, 11, 24)


@pytest.fixture
def pseudo() -> Iterator[None]:
    """Everything is said in the pseudo-language."""
    with pseudo_locale():
        token = LANGUAGE.set(PSEUDO)
        yield
        LANGUAGE.reset(token)


def in_days(days: int) -> date:
    """Return a day of the calendars, from today on."""
    return now().astimezone(BERLIN).date() + timedelta(days=days)


def tomorrow_at(hour: int) -> str:
    """Return a full hour of tomorrow."""
    return f"{in_days(1)}T{hour}:00"


async def offers(caller: TranslatedCaller, when: str, service: str = "piano") -> list[str]:
    """Return the handles that are offered."""
    found = await caller.call("get_available_slots", service=service, when=when)
    return [each["handle"] for each in found["offered"]]


async def book_and_move(caller: TranslatedCaller) -> str:
    """Book two times of one day and move one of them; return the other booking's id."""
    first, second, third = [(await offers(caller, tomorrow_at(hour)))[0] for hour in (10, 13, 16)]
    booked = await caller.call("create_booking", slot=first, name="Ann One")
    await caller.call("list_bookings", name="Ann One")
    other = await caller.call("create_booking", slot=second, name="Ann One")
    await caller.call("list_bookings", name="Ann One")
    await caller.call("list_bookings", name="Zoe Quist")
    assert first not in await offers(caller, tomorrow_at(10))
    await caller.refused("rejected", "create_booking", slot=first, name="Ann One")
    await caller.call("get_booking", booking=booked["id"])
    await caller.call("reschedule_booking", booking=booked["id"], slot=third)
    await caller.call("cancel_booking", booking=booked["id"])
    await caller.call("get_booking", booking=booked["id"])
    await caller.refused("rejected", "reschedule_booking", booking=booked["id"], slot=first)
    return str(other["id"])


async def test_every_tool_speaks_the_language_of_its_caller(
    servers: Servers, school: Tenant, database: Database
) -> None:
    claims = school.claims(conversation_id=uuid4(), confirm=WRITING)
    with pseudo_locale():
        async with connect_translated(servers, "scheduling", claims, DATA) as caller:
            assert len(await offers(caller, str(in_days(1)))) == 3
            assert await offers(caller, "") == await offers(caller, str(in_days(-1))) == []
            booking = await book_and_move(caller)
            earlier = (
                "update calendar_booking set starts_at = starts_at - interval '30 days',"
                " ends_at = ends_at - interval '30 days' returning id"
            )
            await fetch(database, school, earlier)
            await caller.refused("rejected", "cancel_booking", booking=booking)
    assert caller.called == {*TOOLS}


async def test_refusals_are_told_in_the_language_of_the_caller(
    servers: Servers, school: Tenant
) -> None:
    refusals: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("rejected", "get_available_slots", {"service": "haircut", "when": tomorrow_at(10)}),
        ("rejected", "create_booking", {"slot": "piano the second one", "name": "Ann One"}),
        ("rejected", "create_booking", {"slot": "violin", "name": "Ann One"}),
        ("not_found", "get_booking", {"booking": "0" * 8}),
        ("not_found", "cancel_booking", {"booking": "none"}),
        ("rejected", "list_bookings", {}),
        ("invalid", "list_bookings", {"name": 5}),
    )
    with pseudo_locale():
        async with connect_translated(servers, "scheduling", school.claims(), DATA) as caller:
            for error, tool, arguments in refusals:
                await caller.refused(error, tool, **arguments)


async def test_the_next_free_times_are_offered_in_the_language_of_the_caller(
    servers: Servers, museum: Tenant
) -> None:
    sunday = 6 - in_days(0).weekday() + 7
    with pseudo_locale():
        async with connect_translated(servers, "scheduling", museum.claims(), DATA) as caller:
            assert await offers(caller, str(in_days(sunday)), "tour")
            arguments = {"slot": "2020-01-01T10:00", "name": "Ann One"}
            await caller.refused("rejected", "create_booking", **arguments)


@pytest.mark.usefixtures("pseudo")
@pytest.mark.parametrize("count", [0, 1, 2])
@pytest.mark.parametrize(
    "request_",
    [
        TimeRequest((TODAY,), PartOfDay()),
        TimeRequest((TODAY,), PartOfDay(latest=time(9))),
        TimeRequest((TODAY, TODAY + timedelta(days=1)), PartOfDay()),
    ],
)
def test_what_is_free_instead_is_translated(request_: TimeRequest, count: int) -> None:
    starts = [datetime(2026, 11, 27 + each, 10, tzinfo=BERLIN) for each in range(count)]
    assert latin_words(sentences.describe_full(request_, starts, TODAY)) == []
    assert latin_words(sentences.describe_taken("", starts, TODAY)) == []


@pytest.mark.usefixtures("pseudo")
@pytest.mark.parametrize(
    "detail", ["email", "phone", "email_or_phone", "country_code", "country_code_or_email"]
)
def test_what_a_calendar_needs_is_asked_for_in_the_language_of_the_caller(detail: str) -> None:
    assert latin_words(sentences.say("which_detail", detail=detail)) == []


@pytest.mark.usefixtures("pseudo")
@pytest.mark.parametrize("status", ["booked", "requested", "cancelled", "unknown"])
def test_whatever_its_status_a_booking_is_told_in_the_language_of_the_caller(
    status: BookingStatus,
) -> None:
    booking = Booking(
        id="1",
        reference="1",
        service=Service(id="lesson", name="", minutes=60, occurrences=4),
        starts_at=now(),
        attendee=Attendee(name=""),
        status=status,
        occurrences=4,
    )
    said = [
        sentences.describe_booking(booking, ""),
        sentences.describe_bookings([(booking, "")]),
        sentences.describe_booked(booking, ""),
        sentences.describe_moved(booking, ""),
        sentences.confirm_booking(booking.service, "", booking.attendee),
    ]
    assert latin_words(" ".join(said)) == []


@pytest.mark.usefixtures("pseudo")
@pytest.mark.parametrize("change", ["cancel", "move"])
def test_why_nothing_is_changed_is_said_in_the_language_of_the_caller(change: str) -> None:
    assert latin_words(sentences.say("change_not_allowed", change=change)) == []
    assert latin_words(sentences.say("change_too_late", change=change)) == []


@pytest.mark.usefixtures("pseudo")
def test_which_of_two_times_is_meant_is_said_in_the_language_of_the_caller() -> None:
    twice = datetime(2027, 10, 31, 2, 30, tzinfo=BERLIN)
    starts = [twice, twice.replace(fold=1), twice + timedelta(days=1)]
    labels = [sentences.datetime_label(start, TODAY) for start in starts]
    assert len(set(labels)) == 3
    for times in (starts[:2], starts):
        assert latin_words(sentences.join_times(times, TODAY)) == []
    assert latin_words(" ".join(labels)) == []


def test_sentences_stand_in_the_catalogue_and_are_said() -> None:
    assert load_messages("scheduling", DEFAULT)
    assert unused_sentences("scheduling") == []
    assert literal_sentences("scheduling") == []


@pytest.mark.parametrize(
    ("day", "said"),
    [
        (TODAY, ("Today I have nine.", "Today there is nothing free.", "Lesson today at nine")),
        (
            TODAY + timedelta(days=1),
            (
                "On Wednesday I have nine.",
                "On Wednesday there is nothing free.",
                "Lesson on Wednesday at nine",
            ),
        ),
    ],
)
def test_today_is_called_today(day: date, said: tuple[str, str, str]) -> None:
    nine = datetime.combine(day, time(9), BERLIN)
    service = Service(id="lesson", name="lesson", minutes=60)
    on_time = sentences.on_datetime(nine, TODAY)
    offer, full, booking = said
    assert sentences.offer_slots([nine], TODAY).startswith(offer[:-1])
    assert full in sentences.describe_full(TimeRequest((day,), PartOfDay()), [], TODAY)
    question = sentences.confirm_booking(service, on_time, Attendee(name="Ann"))
    assert question.startswith(booking)
