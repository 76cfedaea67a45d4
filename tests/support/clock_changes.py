"""The next changes of the clocks, which the tests of days and times go over."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

_ZONES = ("Europe/Berlin", "America/New_York", "Australia/Sydney")
_HOUR = timedelta(hours=1)
_HOURS = 400 * 24  # in which every zone changes its clocks both ways


@dataclass(frozen=True)
class ClockChange:
    """The moment, in UTC, at which the clocks of a zone skip an hour or repeat one."""

    zone: ZoneInfo
    moment: datetime
    skips: bool

    def __str__(self) -> str:
        return f"{self.zone.key}-{'skips' if self.skips else 'repeats'}"

    def after(self, hours: float) -> datetime:
        """Return the moment that is so many hours after the change, in UTC."""
        return self.moment + timedelta(hours=hours)

    def local(self, hours: float) -> datetime:
        """Return the same in the zone."""
        return self.after(hours).astimezone(self.zone)

    def iso(self, hours: float) -> str:
        """Return the same in the zone, in ISO 8601."""
        return self.local(hours).isoformat()


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()


def _next_changes(zone: ZoneInfo) -> list[ClockChange]:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    hours = [today + timedelta(days=2) + n * _HOUR for n in range(_HOURS)]
    changes = [each for each in hours if _offset(each, zone) != _offset(each - _HOUR, zone)]
    by_direction = {
        _offset(each, zone) > _offset(each - _HOUR, zone): each for each in changes[::-1]
    }
    return [ClockChange(zone, moment, skips) for skips, moment in sorted(by_direction.items())]


CLOCK_CHANGES = [change for name in _ZONES for change in _next_changes(ZoneInfo(name))]
