"""HubSpot's search: https://developers.hubspot.com/docs/api-reference/search/guide.

A value is a text in JSON, so whatever it says it stays one. Groups of filters are alternatives.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import product
from typing import Any

from crm.provider import WORDS, Filter, Kind, Query, Record, Value, Wanted, Word
from crm.providers.hubspot.mapping import (
    FIRST,
    LAST,
    LEAD,
    LIFECYCLE,
    NUMBERS,
    OTHER_ADDRESSES,
    PEOPLE,
    REFERENCES,
    SPELLED,
    as_text,
    columns,
)
from crm.providers.hubspot.options import Choices
from toolkit.errors import Rejected
from toolkit.speech.people import significant_digits

Body = dict[str, Any]
Group = list[Body]

_OPERATORS = {"is": "EQ", "is_not": "NEQ", "above": "GT", "below": "LT"}
_CREATED = {"task": "hs_createdate", "event": "hs_createdate"}
_SINGULAR = {"contacts": "contact", "companies": "company", "deals": "deal", "tickets": "ticket"}
_NAMES = {
    "contacts": (LAST, FIRST, "company"),
    "companies": ("name",),
    "deals": ("dealname",),
    "tickets": ("subject",),
    "tasks": ("hs_task_subject",),
    "meetings": ("hs_meeting_title",),
}
_MOST_GROUPS, _MOST_FILTERS = 5, 18
_HEARD = 3  # letters at the beginning of a name that are heard right
_ENDING = 4  # digits that stand together in nearly every number
_DAY = timedelta(days=1)
_MOMENT = timedelta(milliseconds=1)
# Of a person's numbers HubSpot keeps the digits without their country.
_CALCULATED = ("hs_searchable_calculated_phone_number", "hs_searchable_calculated_mobile_number")


def body(
    properties: Sequence[str],
    groups: Sequence[Group],
    limit: int,
    *,
    by: str | None = None,
    down: bool = True,
    words: str | None = None,
) -> Body:
    """Return a search request."""
    order = {"propertyName": by, "direction": "DESCENDING" if down else "ASCENDING"}
    asked: Body = {
        "filterGroups": [{"filters": group} for group in groups if group],
        "sorts": [order] if by else [],
        "properties": list(properties),
        "limit": limit,
        "after": "0",
    }
    return {**asked, "query": words} if words else asked


def ordered(query: Query, source: str | None) -> tuple[str, bool]:
    """Return the property that a query is ordered by, and whether downwards."""
    if query.order_by is None:
        return created(query.kind), True
    if query.order_by in REFERENCES and query.order_by in WORDS[query.kind]:
        raise Rejected("HubSpot does not put records in the order of others.")
    if query.order_by == "name" and query.kind in PEOPLE:
        return LAST, query.descending
    return columns(query.kind, source).get(query.order_by, query.order_by), query.descending


def created(kind: Kind) -> str:
    """Return the property that says when a record was created."""
    return _CREATED.get(kind, "createdate")


def groups(
    query: Query,
    source: str | None,
    choices: Mapping[Word, Choices],
    objects: Mapping[str, str],
) -> list[Group]:
    """Return a query's filters; `objects` says of what object each record is that it names.

    Raises:
        Rejected: HubSpot cannot be asked so much at once.
    """
    parts = [_alternatives(query.kind, each, source, choices, objects) for each in query.filters]
    only = [_filter(LIFECYCLE, "EQ", LEAD)] if query.kind == "lead" else []
    found = [[*only, *(each for part in parts for each in part)] for parts in product(*parts)]
    if len(found) > _MOST_GROUPS or sum(map(len, found)) > _MOST_FILTERS:
        raise Rejected("That is more than HubSpot can be asked at once.", next="Use fewer filters.")
    return found


def holds(record: Record, asked: Filter) -> bool:
    """Say whether a record fulfils what HubSpot compares word by word."""
    value = record.values.get(asked.field, record.fields.get(asked.field, ""))
    text, wanted = str(value).casefold(), str(asked.value).casefold()
    match asked.op:
        case "starts_with":
            return text.startswith(wanted)
        case "is" if asked.field == "name":
            return text.split() == wanted.split()
        case "is_not" if asked.field == "name":
            return text.split() != wanted.split()
        case _:
            return True


def narrowed(groups: Sequence[Group], kinds: Sequence[Kind]) -> list[Group]:
    """Return the same filters, of contacts for leads alone, if no others are meant."""
    only = [_filter(LIFECYCLE, "EQ", LEAD)] if list(kinds) == ["lead"] else []
    return [[*group, *only] for group in groups or [[]]]


def told_by(name: str, wanted: Wanted) -> list[Group]:
    """Return the filters for a number or an address, where an object has any."""
    if wanted.phone and name in ("contacts", "companies"):
        digits = significant_digits(wanted.phone)
        numbers = (*_CALCULATED, *NUMBERS) if name == "contacts" else ("phone",)
        found = [[_filter(each, "CONTAINS_TOKEN", f"*{digits}")] for each in numbers]
        return [*found, [_filter("phone", "CONTAINS_TOKEN", f"*{digits[-_ENDING:]}")]]
    if wanted.email and name == "contacts":
        other = _filter(OTHER_ADDRESSES, "CONTAINS_TOKEN", wanted.email)
        return [[_filter("email", "EQ", wanted.email)], [other]]
    return []


def sounding(name: str, text: str) -> list[Group]:
    """Return the filters for names of which a part begins as one of those that were heard."""
    parts = [part[:_HEARD] for part in re.findall(r"\w{2,}", text)]
    named = [(each, part) for part in reversed(parts) for each in _NAMES[name]]
    return [[_filter(each, "CONTAINS_TOKEN", f"{part}*")] for each, part in named[:_MOST_GROUPS]]


def lately(kind: Kind, title: str, since: datetime, source: str | None) -> list[Group]:
    """Return the filters for records of a name that are new."""
    new = _filter(created(kind), "GTE", _millis(since))
    word = "name" if "name" in WORDS[kind] else "subject"
    named = _alternatives(kind, Filter(field=word, value=title), source, {}, {})
    return [[*group, new] for group in named]


def _alternatives(
    kind: Kind,
    asked: Filter,
    source: str | None,
    choices: Mapping[Word, Choices],
    objects: Mapping[str, str],
) -> list[Group]:
    word, value = asked.field, asked.value
    if (word in WORDS[kind] and word in REFERENCES) or (word == "name" and kind in PEOPLE):
        return _named(asked) if word == "name" else _related(asked, objects)
    name = columns(kind, source).get(word, word)
    if word == "phone" and word in WORDS[kind] and asked.op == "is":
        digits = f"*{significant_digits(str(value))}"
        names = (_CALCULATED[0], "phone") if kind in PEOPLE else ("phone",)
        return [[_filter(name, "CONTAINS_TOKEN", digits)] for name in names]
    if word.endswith("_date") and word in WORDS[kind] and not isinstance(value, list):
        return _on_day(name, asked.op, _when(value).date())
    if word.endswith("_at") and word in WORDS[kind] and not isinstance(value, list):
        value = _millis(_when(value))
    given = [str(each) for each in value] if isinstance(value, list) else [as_text(value)]
    if word in choices:
        meant = [(choices[word].meant(each), each) for each in given]
        # What is none of them is compared as it is.
        given = [each for found, said in meant for each in [one.value for one in found] or [said]]
    spelled = SPELLED.get((kind, word), {})
    return _compared(name, asked.op, [spelled.get(each, each) for each in given])


def _compared(name: str, op: str, values: list[str]) -> list[Group]:
    match op:
        case "contains":
            return [[_filter(name, "CONTAINS_TOKEN", f"*{values[0]}*")]]
        case "starts_with":
            return [[_filter(name, "CONTAINS_TOKEN", f"{values[0]}*")]]
        case "is_not":
            differs = [_filter(name, "NEQ", value) for value in values]
            return [differs, [{"propertyName": name, "operator": "NOT_HAS_PROPERTY"}]]
        case "one_of" | "is" if len(values) != 1:
            return [[{"propertyName": name, "operator": "IN", "values": values}]]
        case "one_of":
            return [[_filter(name, "EQ", values[0])]]
        case _:
            return [[_filter(name, _OPERATORS[op], values[0])]]


def _named(asked: Filter) -> list[Group]:
    """Return the filters for a person, whose name HubSpot has in two parts."""
    if isinstance(asked.value, list):
        return [group for each in asked.value for group in _whole(each)]
    text = str(asked.value)
    first, _, last = text.strip().rpartition(" ")
    match asked.op:
        case "is":
            return _whole(text)
        case "is_not":
            parts = ((FIRST, first), (LAST, last)) if first else ((LAST, last),)
            return [group for name, part in parts for group in _compared(name, "is_not", [part])]
        case "contains" | "starts_with":
            wild = ("*" if asked.op == "contains" else "") + last + "*"
            if first:
                exactly = _filter(FIRST, "CONTAINS_TOKEN", f"*{first}")
                return [[exactly, _filter(LAST, "CONTAINS_TOKEN", wild)]]
            return [[_filter(name, "CONTAINS_TOKEN", wild)] for name in (FIRST, LAST)]
        case _:
            raise Rejected("A name is neither above nor below another one.")


def _whole(name: str) -> list[Group]:
    first, _, last = name.strip().rpartition(" ")
    if not first:
        return [[_filter(LAST, "EQ", last)], [_filter(FIRST, "EQ", last)]]
    return [[_filter(FIRST, "EQ", first.strip()), _filter(LAST, "EQ", last)]]


def _related(asked: Filter, objects: Mapping[str, str]) -> list[Group]:
    """Return the filters for what a record belongs to: its ids are known to be there."""
    if asked.op not in ("is", "one_of"):
        raise Rejected(f"HubSpot cannot tell for which records {asked.field} is not so.")
    found: list[Group] = []
    for value in asked.value if isinstance(asked.value, list) else [str(asked.value)]:
        found.append([_filter(f"associations.{_SINGULAR[objects[value]]}", "EQ", value)])
    return found


def _on_day(name: str, op: str, day: date) -> list[Group]:
    start = datetime.combine(day, time.min, UTC)
    before, within, after = _millis(start), _millis(start + _DAY - _MOMENT), _millis(start + _DAY)
    match op:
        case "above":
            return [[_filter(name, "GTE", after)]]
        case "below":
            return [[_filter(name, "LT", before)]]
        case "is":
            return [[_filter(name, "GTE", before), _filter(name, "LTE", within)]]
        case "is_not":
            return [[_filter(name, "LT", before)], [_filter(name, "GTE", after)]]
        case _:
            raise Rejected("A day is on, before or after another one.")


def _when(value: Value) -> datetime:
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        raise Rejected("That is no day or time.", next="Call again with an ISO date.") from None


def _millis(moment: datetime) -> str:
    return str(round(moment.timestamp() * 1000))


def _filter(name: str, operator: str, value: Value) -> Body:
    return {"propertyName": name, "operator": operator, "value": str(value)}
