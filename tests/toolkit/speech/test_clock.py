"""Days and times on the business's own clock, as callers say them."""

from collections.abc import AsyncGenerator
from datetime import date, datetime
from zoneinfo import ZoneInfo

import httpx2
import pytest
import pytest_asyncio
from fastmcp import Client
from fastmcp.tools import tool
from redis.asyncio import Redis

from config.columns import now
from config.database import Database
from config.security.tokens import Signer
from config.security.vault import DatabaseVault
from tests.conftest import Tenant, fetch, new_tenant
from tests.support.processes import in_one_task
from tests.support.servers import KEYRING, Servers, serve
from toolkit.effects import READS
from toolkit.errors import Rejected
from toolkit.middleware.results import Result
from toolkit.server.build import ServerSpec, build_server
from toolkit.speech.clock import CLOCK, Clock
from toolkit.tenancy import Runtime

BERLIN = ZoneInfo("Europe/Berlin")
TUESDAY = Clock(datetime(2026, 11, 24, 15, 30, tzinfo=BERLIN))


@pytest.mark.parametrize(
    ("said", "day"),
    [
        ("today", date(2026, 11, 24)),
        ("tomorrow", date(2026, 11, 25)),
        ("on Thursday", date(2026, 11, 26)),
        ("Thursday at ten", date(2026, 11, 26)),
        ("the third of December", date(2026, 12, 3)),
        ("2026-12-24", date(2026, 12, 24)),
        ("2026-11-24T23:30:00Z", date(2026, 11, 25)),
    ],
)
def test_a_day_is_understood(said: str, day: date) -> None:
    assert TUESDAY.parse_day(said) == day


@pytest.mark.parametrize("said", ["", "soon", "whenever", "this week", "0000-00-00", "9999-01-01"])
def test_a_day_that_is_left_open_is_asked_for(said: str) -> None:
    with pytest.raises(Rejected) as asked:
        TUESDAY.parse_day(said)
    assert asked.value.spoken == "For which day?"


@pytest.mark.parametrize(
    ("said", "moment"),
    [
        ("tomorrow at ten", "2026-11-25T10:00:00+01:00"),
        ("Thursday at half past three in the afternoon", "2026-11-26T15:30:00+01:00"),
        ("2026-12-24T18:15", "2026-12-24T18:15:00+01:00"),
        ("2026-12-24T18:15:00-05:00", "2026-12-25T00:15:00+01:00"),
        ("2027-07-01T08:00", "2027-07-01T08:00:00+02:00"),
    ],
)
def test_a_moment_is_understood(said: str, moment: str) -> None:
    assert TUESDAY.parse_datetime(said).isoformat() == moment
    assert TUESDAY.parse_start(said) == TUESDAY.parse_datetime(said)


@pytest.mark.parametrize(
    ("said", "moment"),
    [
        ("Monday at ten", "2026-11-23T10:00:00+01:00"),
        ("on the 20th at four", "2026-11-20T16:00:00+01:00"),
        ("the 5th of December at nine", "2025-12-05T09:00:00+01:00"),
        ("yesterday at noon", "2026-11-23T12:00:00+01:00"),
    ],
)
def test_what_has_happened_is_in_the_past(said: str, moment: str) -> None:
    assert TUESDAY.parse_datetime(said, past=True).isoformat() == moment


@pytest.mark.parametrize(
    "said",
    ["", "tomorrow", "at ten", "tomorrow morning", "2026-12-24", "2027-03-28T02:30"],
)
def test_a_moment_that_is_left_open_is_asked_for(said: str) -> None:
    """Where the clocks skip it there is no such moment, either."""
    with pytest.raises(Rejected) as asked:
        TUESDAY.parse_datetime(said)
    assert asked.value.spoken == "For which day and time?"


def test_a_day_may_stand_for_its_beginning() -> None:
    assert TUESDAY.parse_start("tomorrow").isoformat() == "2026-11-25T00:00:00+01:00"
    with pytest.raises(Rejected):
        TUESDAY.parse_start("soon")
    # In Lebanon that day begins at one.
    beirut = Clock(datetime(2026, 3, 20, 12, tzinfo=ZoneInfo("Asia/Beirut")))
    assert beirut.parse_start("2026-03-29").isoformat() == "2026-03-29T01:00:00+03:00"


def test_times_are_said_as_on_this_clock() -> None:
    assert TUESDAY.describe(date(2026, 11, 26)) == "Thursday"
    assert TUESDAY.describe(datetime.fromisoformat("2026-11-26T09:30:00+00:00")) == (
        "Thursday at ten thirty in the morning"
    )
    assert Clock(datetime.fromisoformat("2026-11-24T15:30:00+00:00")).zone.key == "UTC"


class Now(Result):
    zone: str
    seconds_ahead: float


@tool(title="Now", annotations=READS)
async def look(clock: Clock = CLOCK) -> Now:
    """Look at the clock."""
    return Now(zone=clock.zone.key, seconds_ahead=(clock.now - now()).total_seconds())


SPEC = ServerSpec("clocks", "A clock.", (look,))


@pytest_asyncio.fixture
async def servers(signer: Signer, database: Database, cache: Redis) -> AsyncGenerator[Servers]:
    async with in_one_task(serve([SPEC], signer, database, cache)) as servers:
        yield servers


async def test_each_business_has_its_own_clock(servers: Servers, database: Database) -> None:
    berlin, tokyo = await new_tenant(database), await new_tenant(database)
    await set_zone(database, tokyo, "Asia/Tokyo")
    for tenant, zone in ((berlin, "Europe/Berlin"), (tokyo, "Asia/Tokyo")) * 2:
        async with servers.connect("clocks", tenant.claims()) as caller:
            answer = await caller.call("look")
        assert answer.data["zone"] == zone
        assert abs(answer.data["seconds_ahead"]) < 60


async def set_zone(database: Database, tenant: Tenant, zone: str) -> None:
    query = "update business set time_zone = :zone where id = :id returning id"
    assert await fetch(database, tenant, query, zone=zone, id=tenant.business_id)


async def test_without_a_database_the_clock_is_utc(tenant: Tenant, database: Database) -> None:
    async with httpx2.AsyncClient() as client_of_vendors:
        vault = DatabaseVault(database, KEYRING)
        runtime = Runtime(client_of_vendors, vault, standalone=tenant.claims())
        async with Client(build_server(SPEC, runtime)) as client:
            result = await client.call_tool("look", {})
    assert result.structured_content is not None
    assert result.structured_content["zone"] == "UTC"
