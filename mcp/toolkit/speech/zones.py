"""Time zones as callers name them: "Eastern", "London time", "GMT"."""

import re
from collections.abc import Sequence
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from toolkit.speech.items import Build, Item, Today, Unclear, Zone

_NAMES = {
    **{"eastern": "America/New_York", "central": "America/Chicago"},
    **{"mountain": "America/Denver", "pacific": "America/Los_Angeles"},
    **{"est": "America/New_York", "edt": "America/New_York", "et": "America/New_York"},
    **{"mst": "America/Denver", "mdt": "America/Denver"},
    **{"pst": "America/Los_Angeles", "pdt": "America/Los_Angeles"},
    **{"gmt": "Etc/GMT", "utc": "Etc/UTC", "zulu": "Etc/UTC", "bst": "Europe/London"},
    **{"uk": "Europe/London", "british": "Europe/London", "irish": "Europe/Dublin"},
    **{"cet": "Europe/Berlin", "cest": "Europe/Berlin", "central european": "Europe/Berlin"},
    **{"german": "Europe/Berlin", "french": "Europe/Paris", "india": "Asia/Kolkata"},
    **{"indian": "Asia/Kolkata", "indian standard": "Asia/Kolkata"},
    **{"aest": "Australia/Sydney", "aedt": "Australia/Sydney", "japan": "Asia/Tokyo"},
    **{"mumbai": "Asia/Kolkata", "delhi": "Asia/Kolkata", "munich": "Europe/Berlin"},
    **{"la": "America/Los_Angeles", "boston": "America/New_York", "miami": "America/New_York"},
}
# Abbreviations that name another zone on another continent, by the continent of the business.
_LOCAL = {
    "ist": {"Asia/Kolkata": "Asia/Kolkata", "Asia/Calcutta": "Asia/Kolkata"},
    "cst": {"America/": "America/Chicago"},
    "cdt": {"America/": "America/Chicago"},
    "ct": {"America/": "America/Chicago"},
}
# Words before "time" that name no zone.
_NO_ZONE = (
    r"any|some|what|which|this|that|the|next|last|first|same|usual|every|each|good|best|free|your"
    r"|our|local|right|of|on|in|opening|lunch|dinner|tea|summer|winter|spring|other|another|a"
    r"|more|long|short|little|no|one|1|full|spare|it|is|my|earliest|latest|available|possible"
    r"|preferred|easter|week|weeks|days|day|hours|hour|minutes|month|months|part|there|s|convenient"
)


@cache
def _cities() -> dict[str, str]:
    """Return the zones by the city in their name."""
    names = (name for name in sorted(available_timezones()) if "/" in name)
    return {name.rpartition("/")[2].replace("_", " ").lower(): name for name in names}


def _named(match: re.Match[str], today: Today) -> Item:
    name = match["name"]
    if name in _LOCAL:
        own = getattr(today.now.tzinfo, "key", "")
        found = [zone for begin, zone in _LOCAL[name].items() if own.startswith(begin)]
        return Zone(ZoneInfo(found[0])) if found else Unclear(match[0])
    return Zone(ZoneInfo(_NAMES[name]))


def _city(match: re.Match[str], today: Today) -> Item | list[Item]:
    """Read "London time"; after a time, a place that is no zone's is unclear, else it is talk."""
    del today
    name = match["name"]
    for words in (name, name.rpartition(" ")[2]):
        if zone := _NAMES.get(words) or _cities().get(words):
            return Zone(ZoneInfo(zone))
    said_before = match.string[: match.start()].rstrip()
    return Unclear(match[0]) if _AFTER_TIME.search(said_before) else []


_AFTER_TIME = re.compile(r"(?:\d|[ap]m|oclock|noon|morning|afternoon|evening)$")
_LONG = "|".join(sorted((name for name in _NAMES if len(name) > 4), key=len, reverse=True))
_SHORT = "|".join(
    [*(name for name in _NAMES if len(name) <= 4 and name not in ("uk", "la")), *_LOCAL]
)
# An abbreviation counts after a time only: "est" and "la" are words of other languages.
RULES: Sequence[tuple[str, Build]] = (
    (rf"(?:in )?(?P<name>{_LONG})(?: (?:standard|daylight|summer))?(?: time)?(?: zone)?\b", _named),
    (rf"(?<=[\dmn] )(?P<name>{_SHORT})\b(?: time)?", _named),
    (
        rf"(?:in )?(?P<name>(?!(?:{_NO_ZONE})\b)[a-z]+(?: (?!(?:{_NO_ZONE})\b)[a-z]+)?) time\b"
        r"(?! (?:i|we|you|is|to|that|for)\b)",
        _city,
    ),
)
