"""The business's own clock, on which its callers' days and times are."""

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
from toolkit.speech.times import moment
from toolkit.speech.when import TimeRequest, parse_when
from toolkit.tenancy import ToolCall, current_call

_HOLDS = 300.0  # seconds


@dataclass(frozen=True)
class Clock:
    """Reads what callers say about time. `now` is on the business's clock."""

    now: datetime

    @property
    def zone(self) -> ZoneInfo:
        """Return the business's time zone."""
        zone = self.now.tzinfo
        return zone if isinstance(zone, ZoneInfo) else ZoneInfo("UTC")

    def day(self, text: str) -> date:
        """Return the one day that is meant.

        Raises:
            Rejected: none is, or several are.
        """
        wish = self._wish(text)
        if wish is None or len(wish.days) != 1:
            raise _open_question("day", "For which day?")
        return wish.days[0]

    def moment(self, text: str) -> datetime:
        """Return the one moment that is meant.

        Raises:
            Rejected: the day or the time is left open.
        """
        wish = self._wish(text)
        if wish is not None and len(wish.days) == 1 and wish.daytime.at is not None:
            found = moment(wish.days[0], wish.daytime.at, self.zone)
            if found is not None:
                return found
        raise _open_question("moment", "For which day and time?")

    def start(self, text: str) -> datetime:
        """Return the one moment that is meant, or the beginning of the one day.

        Raises:
            Rejected: the day is left open.
        """
        wish = self._wish(text)
        if wish is not None and wish.daytime.at is not None:
            return self.moment(text)
        found = moment(self.day(text), time.min, self.zone)
        return found or datetime.combine(self.day(text), time(1), self.zone)

    def said(self, when: date | datetime) -> str:
        """Return `Thursday`, or `Thursday at ten thirty in the morning`, as on this clock."""
        if isinstance(when, datetime):
            return phrases.label(when.astimezone(self.zone), self.now.date())
        return phrases.day_label(when, self.now.date())

    def _wish(self, text: str) -> TimeRequest | None:
        return parse_when(text, self.now, self.zone)


def _open_question(what: str, say: str) -> Rejected:
    return Rejected(
        f"It is not clear which {what} is meant.",
        say=say,
        next="Call again with the caller's answer, or with an ISO date or time.",
    )


async def open_clock(ctx: Context = CurrentContext()) -> Clock:
    """Return the clock of the calling business; UTC where a server runs without a database."""
    call = current_call(ctx)
    if call.runtime.database is None:
        return Clock(now().astimezone(ZoneInfo("UTC")))
    key = (call.business_id, "time zone")
    zone = await call.runtime.ttl_cache.get(key, _HOLDS, lambda: _time_zone(call))
    return Clock(now().astimezone(ZoneInfo(zone)))


async def _time_zone(call: ToolCall) -> str:
    query = select(col(Business.time_zone)).where(col(Business.id) == call.business_id)
    async with call.transaction() as session:
        return (await session.execute(query)).scalar_one()


CLOCK: Clock = Depends(open_clock)
