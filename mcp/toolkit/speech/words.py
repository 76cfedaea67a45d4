"""Splits what a caller says into days, times and the words that join them; the rest is talk."""

import re
from collections.abc import Sequence
from datetime import datetime
from itertools import chain

from config.language.english import CARDINALS
from toolkit.speech import days, times, zones
from toolkit.speech.items import (
    Build,
    CalendarDay,
    Clock,
    Item,
    Joint,
    Moment,
    Number,
    Today,
    Unclear,
    Word,
    talk,
    unclear,
)
from toolkit.speech.numbers import words_to_digits

_MAX_LENGTH = 300  # characters that are read
_GREETING = re.compile(r"\bgood (?:morning|afternoon|evening|day)\b")
_REWRITES: tuple[tuple[str, str], ...] = (
    (r"[\u2018\u2019`]", "'"),
    (r"[\u2013\u2014]", "-"),
    (r"\bg'day\b", " "),
    (r"\bo'clock\b|\bo clock\b", "oclock"),
    (r"\bcan'?t\b|\bcannot\b", "can not"),
    (r"\bwon'?t\b", "will not"),
    (r"n't\b", " not"),
    (r"(?<=\d) ?([ap])\.? ?m\b\.?|(?<=[a-z]) ([ap])(?:\. ?m\b\.?| m\b)", r" \1\2m"),
    (r"(?<![\d.])(\d{1,2})\.([0-5]\d)(?![.\d])", r"\1:\2"),
    (r"(?<=\d)(am|pm|ish)\b", r" \1"),
    (r"(?<=[a-z])-(?=[a-z])", " "),
    (rf"\b({'|'.join(CARDINALS[1:13])}|thirty|noon)ish\b", r"\1 ish"),
    (
        rf"\b(early|late) (?:on )?((?:next |this )?(?:tomorrow|{days.WEEKDAY}))"
        r" (morning|afternoon|evening)\b",
        r"\2 \1 \3",
    ),
    (r"[.](?!\d)|(?<!\d)[.](?=\d)", " "),
    (r"[^\w\s:./'+,-]", " "),
    (r",", " , "),
)
# After the number words have become digits.
_NUMBER_REWRITES: tuple[tuple[str, str], ...] = (
    (r"\b2 thousand(?: and)? (\d)\b", r"200\1"),
    (r"\b2 thousand(?: and)? (\d\d)\b", r"20\1"),
    (r"\b(\d{1,2})ish\b", r"\1 ish"),
    (r"\bnoon ?ish\b", "noon"),
    (r"(?<=[a-z]) ([ap]) m\b", r" \1m"),
    (r"(?<=\d) ([ap]) m\b", r" \1m"),
    (r" ,", ","),
    (r"\s+", " "),
)

_THINGS = (
    r"people|persons?|guests?|adults?|kids?|children|child|of us|pax|tickets?|questions?|euros?"
    r"|dollars?|pounds?|offs?|years? old|months? old|dogs?|cats?|pieces?|times?|seats?|tables?"
)
_ORDINARY = (
    rf"for \d{{1,3}}(?: (?:{_THINGS}))?"
    r"(?! ?(?:am|pm|oclock|:|days?|weeks?|hours?|minutes?))(?!\d|:)",
    rf"(?:a )?\d{{1,4}} ?(?:{_THINGS})\b",
    r"(?:a |the )?(?:party|table|group|family|team|total|class|booking) (?:of|for) \d{1,3}\b",
    r"(?:come|came|coming|swing|swung|stop|stopped|drop|dropped|pop|popped|pass|passed|go|call)"
    r" by\b",
    r"by (?:any chance|the way|phone|myself|ourselves|email|mail|card|car|train|bus)\b",
    r"(?:a )?\d{1,3} (?:off|way|man|bed|bedroom)\b",
    r"(?:number|room|bus|line|flat|unit|apartment|suite|house|gate|platform|option|invoice|order"
    r"|reference|ticket|case|code|extension|door|floor)(?: (?:number|is|no))* \d+\b",
    r"(?:i am|i'm|he is|he's|she is|she's|aged?|turned) \d{1,3}\b",
    r"(?:the |a )?2nd (?:thought|opinion|hand|time|one|1)s?\b",
    r"(?:the |a |an )?\d+(?:st|nd|rd|th) (?:one|1|time|option|choice|floor|opinion|visit)\b",
    r"(?:for )?(?:a |an |\d{1,3} )?(?:half an )?(?:hours?|minutes?)(?: long)?"
    r" (?:massage|session|slot|appointment|lesson|meeting|call|treatment|cut|visit|tour|course"
    r"|class)s?\b",
    r"\d{1,3} (?:hours?|minutes?|mins?) (?=[a-z]{4})(?!from|past|before|after|late)",
    r"do(?:es)? not (?:mind|matter|know|care|have|need|worry|think|want to be)\b",
    r"no (?:problem|worries|rush|hurry|thanks|thank you|matter|idea)\b",
    r"(?:it is |it's )?not (?:sure|too bad|a problem|bad|urgent)\b",
    r"(?:why|whether or) not(?=,|$| i| please)",
    r"on (?:and on|top|the (?:phone|line|way))\b",
    r"(?:one|1) of (?:my|our|your|the)\b",
    r"(?:a )?(?:day|week|time) off\b",
    r"(?:what|which) (?:day|days|time|times|week)\b",
    r"(?:to|in) (?:begin|start) with\b",
    r"(?:my|the|his|her) (?:mon|sun|may|march|april|august|june)\b(?! \d| (?:of|or|and) )(?: and)?",
    r"(?:this|last|first|next|every|each|any|some) (?:1|one)\b",
)
_SOONEST = (
    r"(?:the )?(?:asap|(?:as soon|as early|as quickly) as (?:possible|you can|i can|we can)|soonest"
    r"|(?<!at the )earliest(?: possible)?|right away|straight ?away|immediately)\b",
    r"(?:the )?(?:1st|first|next)(?: \w+)? ?(?:available|free|possible|opening|slot|gap)\b",
    r"(?:the )?(?:1st|first|next) (?:appointment|time|thing|one|1|opening|spot|chance|moment)"
    r"(?: available| free)?(?: (?:that )?you(?:'ve got| have| can))",
    r"whatever(?: you have(?: got)?|'s| is)? (?:first|1st|soonest|earliest|next)\b",
    r"whatever you (?:have|'ve got)(?: got)? (?:first|1st)\b",
)
_CORRECTION = (
    r"(?:no|wait|oh|sorry|actually|hang on|hold on|excuse me|scratch that|correction|rather"
    r"|i mean|i meant|make that|let me think|or rather|pardon|my mistake|strike that|no no)"
)
_NEGATION = (
    r"(?:not|except(?: for)?|excluding|without|other than|apart from|aside from|never|neither|nor"
    r"|bar|anything but|minus)\b(?! (?:before|after|earlier|later|sooner|until))"
    r"(?:,? (?:do|make|come|available|free|good|work|manage|on|at|in|for|during|the|any|an?)\b)*"
)
_UNSUITABLE = (
    r"(?:(?:does|do|will|would|is|are) (?:not|no)(?: really| so)?"
    r" (?:work|good|suit|possible|an option|great|fit|ok|okay|go|do|convenient)\w*"
    r"|is out\b|is bad\b)(?: for (?:me|us))?"
)


def _word(kind: Joint) -> Build:
    return lambda match, today: Word(kind)


def _negation(match: re.Match[str], today: Today) -> Item:
    """Read a "not" before a day; any other one is not understood."""
    del today
    is_day = _starts_with_day(match.string[match.end() :])
    return Word("not") if is_day else Unclear(match[0])


def _until(match: re.Match[str], today: Today) -> Item | list[Item]:
    """Read "until Friday" and "by Friday"; "by" alone is talk."""
    del today
    if _starts_with_day(match.string[match.end() :]):
        return Word("until")
    return [] if match[0] == "by" else Unclear(match[0])


def _starts_with_day(said: str) -> bool:
    rest = said.lstrip(" ,")
    return any(pattern.match(rest) for pattern, build in RULES if build in _DAY_BUILDS)


def _any_but(match: re.Match[str], today: Today) -> list[Item]:
    del match, today
    return [Word("any"), Word("not")]


def _iso(match: re.Match[str], today: Today) -> Item | list[Item]:
    """Read a day and time in ISO 8601, as a language model writes them."""
    try:
        at = datetime.fromisoformat(match[0].replace(" ", "T").upper())
        if at.tzinfo is not None:
            return Moment(at.astimezone(today.now.tzinfo))
    except (ValueError, OverflowError):
        return Unclear(match[0])
    return [CalendarDay(at.month, at.day, at.year), Clock(at.hour, at.minute, "24")]


_RULES: Sequence[tuple[str, Build]] = (
    (
        r"\d{4}-\d\d-\d\d[t ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:z|[+-]\d\d:?\d\d)?(?![\d:])",
        _iso,
    ),
    *((pattern, talk) for pattern in _ORDINARY),
    *((pattern, _word("soonest")) for pattern in _SOONEST),
    (
        r"(?:any ?(?:day|time|thing|date)|whenever) (?:but|except|bar|other than|apart from)"
        r"(?: on| for| in)?(?: the| a)?",
        _any_but,
    ),
    (r"(?:any ?(?:time|day)|whenever|any other day)\b", _word("any")),
    (_UNSUITABLE, _word("not that")),
    (r"at (?:the|your) (?:earliest|next) (?:opportunity|convenience)\b", _word("soonest")),
    (r"at the (?:earliest|latest)\b", unclear),
    (
        r"whenever (?!you|i|we|it|is|suits|works|possible|convenient|that|there)[a-z]+",
        unclear,
    ),
    (_NEGATION, _negation),
    (rf"{_CORRECTION}(?:[ ,]+{_CORRECTION})*\b", _word("correction")),
    (
        r"(?:(?:and )?if not|or else|or maybe|or perhaps|or|otherwise|alternatively|failing that)\b"
        r"(?:,? then| either)?",
        _word("or"),
    ),
    (r"(?:and|&)\b", _word("and")),
    (r",", _word("comma")),
    (r"(?:to|through|thru|-|/)(?= |$|\d)", _word("to")),
    (r"(?:until|till|up to|by)(?= )", _until),
    (r"(?:between|anywhere between)\b", _word("between")),
    (r"(?:from|starting|starting on)\b", _word("from")),
)
RULES = tuple(
    (re.compile(pattern), build)
    for pattern, build in chain(_RULES, days.RULES, times.RULES, zones.RULES)
)
_DAY_BUILDS = frozenset(build for _, build in days.RULES)
# Words that belong to a time. Where no rule has read one, something was not understood.
_TIME_WORD = re.compile(
    rf"(?:{days.WEEKDAY}|days?|weeks?|fortnights?|months?|years?|weekends?|hours?|minutes?|mins?"
    r"|ago|after|before|since|until|till|except|not|never|nor|pm|oclock|noon|midnight|usual"
    r"|quarter|half|morning|afternoon|evening|night|tomorrow|today|yesterday|tonight|fortnightly"
    r"|every|daily|weekly|monthly|easter|christmas|xmas|holidays?|\d\S*)(?:'s)?$"
)
_BARE = re.compile(
    r"(\d{1,2})(?= ?(?:$|,|please|thanks|thank|or |and |on |in the|then|would|will|if|is"
    r"|for|instead|next|this|tomorrow|today|cheers|works|sounds))"
)
_NEXT_WORD = re.compile(r"[^\s,]+|,")


def read_items(text: str, today: Today) -> list[Item]:
    """Return the days, times and joining words of a text, in order."""
    said = normalize(text)
    found: list[Item] = []
    position = 0
    while position < len(said):
        if said[position] == " ":
            position += 1
            continue
        items, position = _read_at(said, position, today)
        found += items
    return found


def _read_at(said: str, position: int, today: Today) -> tuple[list[Item], int]:
    """Return the items at a position, by the rule that reads most, and where they end."""
    best: re.Match[str] | None = None
    builder: Build = talk
    for pattern, build in RULES:
        match = pattern.match(said, position)
        if match and (best is None or match.end() > best.end()) and match.end() > position:
            best, builder = match, build
    if best is not None:
        made = builder(best, today)
        return (made if isinstance(made, list) else [made]), best.end()
    if bare := _BARE.match(said, position):
        return [Number(int(bare[1]))], bare.end()
    word = _NEXT_WORD.match(said, position)
    end = word.end() if word else position + 1
    unread = said[position:end]
    if unread.isdigit() and re.match(r" [a-z]", said[end:]):
        return [], end  # a number of something
    return ([Unclear(unread)] if _TIME_WORD.match(unread) else []), end


def normalize(text: str) -> str:
    """Return what was said in lower case, with number words as digits."""
    said = f" {text[:_MAX_LENGTH].lower()} "
    for pattern, replacement in _REWRITES:
        said = re.sub(pattern, replacement, said)
    said = words_to_digits(_GREETING.sub(" ", " ".join(said.split())))
    for pattern, replacement in _NUMBER_REWRITES:
        said = re.sub(pattern, replacement, said)
    return said.strip()
