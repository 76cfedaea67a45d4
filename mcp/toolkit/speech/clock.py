"""A clock in the business's time zone, which reads and phrases its callers' days and times."""

from dataclasses import dataclass
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from fastmcp import Context
from fastmcp.dependencies import CurrentContext, Depends
from sqlalchemy import select
from sqlmodel import col

from config.columns import now
from config.tables import Business
from toolkit.errors import Rejected
from toolkit.speech import phrases
from toolkit.speech.times import local_datetime
from toolkit.speech.when import TimeRequest, parse_when
from toolkit.tenancy import ToolCall, current_call

_TIME_ZONE_TTL = 300.0  # seconds


@dataclass(frozen=True)
class Clock:
    """Reads and phrases days and times; `now` is in the business's time zone."""

    now: datetime

    @property
    def zone(self) -> ZoneInfo:
        """Return the business's time zone."""
        zone = self.now.tzinfo
        return zone if isinstance(zone, ZoneInfo) else ZoneInfo("UTC")

    def parse_day(self, text: str) -> date:
        """Return the day that `text` names.

        Raises:
            Rejected: it names none, or several.
        """
        request = self._parse(text)
        if request is None or len(request.all_days) != 1:
            raise _ambiguous("day", phrases.say("which_day"))
        return request.days[0]

    def parse_datetime(self, text: str, *, past: bool = False) -> datetime:
        """Return the day and time that `text` names; `past` is for what has happened.

        Raises:
            Rejected: it leaves one of the two open.
        """
        request = self._parse(text, past=past)
        if request is not None and request.is_exact and request.daytime.at is not None:
            start = local_datetime(request.days[0], request.daytime.at, self.zone)
            if start is not None:
                return start
        raise _ambiguous("moment", phrases.say("which_moment"))

    def parse_start(self, text: str) -> datetime:
        """Return the day and time that `text` names, or the beginning of the day without a time.

        Raises:
            Rejected: it leaves the day open.
        """
        request = self._parse(text)
        if request is not None and request.daytime.at is not None:
            return self.parse_datetime(text)
        day = self.parse_day(text)
        # In some time zones the clocks go forward at midnight: that day begins at one.
        midnight = local_datetime(day, time.min, self.zone)
        return midnight or datetime.combine(day, time(1), self.zone)

    def describe(self, when: date | datetime) -> str:
        """Return `today`, `Thursday`, or `Thursday at ten thirty in the morning`."""
        if isinstance(when, datetime):
            return phrases.datetime_label(when.astimezone(self.zone), self.now.date())
        return phrases.day_label(when, self.now.date())

    def _parse(self, text: str, *, past: bool = False) -> TimeRequest | None:
        return parse_when(text, self.now, self.zone, past=past)


def _ambiguous(what: str, say: str) -> Rejected:
    return Rejected(
        f"It is not clear which {what} is meant.",
        say=say,
        next="Call again with the caller's answer, or with an ISO date or time.",
    )


async def business_clock(ctx: Context = CurrentContext()) -> Clock:
    """Return the clock of the calling business; in UTC where a server has no database."""
    return Clock(now().astimezone(await business_zone(current_call(ctx))))


async def business_zone(call: ToolCall) -> ZoneInfo:
    """Return the time zone of the calling business; UTC where a server has no database."""
    if call.runtime.database is None:
        return ZoneInfo("UTC")
    key = (call.business_id, "time zone")
    return ZoneInfo(await call.runtime.ttl_cache.get(key, _TIME_ZONE_TTL, lambda: _time_zone(call)))


async def _time_zone(call: ToolCall) -> str:
    query = select(col(Business.time_zone)).where(col(Business.id) == call.business_id)
    async with call.transaction() as session:
        return (await session.execute(query)).scalar_one()


CLOCK: Clock = Depends(business_clock)
