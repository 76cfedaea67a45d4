"""HubSpot's search requests: https://developers.hubspot.com/docs/api-reference/search/guide.

A search has groups of filters: an object satisfies all filters of one of the groups. Values are
JSON strings, so nothing in them can become part of the query.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import product
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

from crm.provider import (
    STANDARD_FIELDS,
    Filter,
    Kind,
    Query,
    Record,
    SearchQuery,
    StandardField,
    Value,
)
from crm.providers.hubspot.mapping import (
    ADDITIONAL_EMAILS,
    ENUM_VALUES,
    FIRST_NAME,
    LAST_NAME,
    LEAD_STAGE,
    LIFECYCLE_STAGE,
    PERSON_KINDS,
    PHONE_PROPERTIES,
    REFERENCES,
    CrmObject,
    properties_by_field,
    to_text,
)
from crm.providers.hubspot.options import Options
from toolkit.errors import Rejected
from toolkit.instants import first_moment
from toolkit.speech.people import is_same_number, significant_digits

Body = dict[str, Any]
FilterGroup = list[Body]

_OPERATORS = {"is": "EQ", "is_not": "NEQ", "above": "GT", "below": "LT"}
_CREATED_PROPERTIES = {"task": "hs_createdate", "event": "hs_createdate"}
_SINGULAR = {"contacts": "contact", "companies": "company", "deals": "deal", "tickets": "ticket"}
_NAME_PROPERTIES = {
    "contacts": (LAST_NAME, FIRST_NAME, "company"),
    "companies": ("name",),
    "deals": ("dealname",),
    "tickets": ("subject",),
    "tasks": ("hs_task_subject",),
    "meetings": ("hs_meeting_title",),
}
_MAX_GROUPS, _MAX_FILTERS, _MAX_FILTERS_OF_GROUP = 5, 18, 6
_MAX_CHARACTERS = 3000  # of a request's body
_MAX_PAGE = 200  # records
_PREFIX_LENGTH = 3  # letters at the beginning of a name, which are rarely misheard
_SUFFIX_LENGTH = 4  # digits at the end of a number, which are rarely separated
_ONE_DAY = timedelta(days=1)
_CASELESS_TYPES = ("string", "phone_number")  # of properties
# HubSpot computes these from a contact's numbers: the digits without the country code.
_SEARCHABLE_PHONES = (
    "hs_searchable_calculated_phone_number",
    "hs_searchable_calculated_mobile_number",
)


@dataclass(frozen=True)
class FilterContext:
    """What filters are translated with.

    `source` is the tenant's own property for the source of a lead, and `zone` the time zone of its
    days. `options` are those of standard fields. `objects` has the type and id of each object that
    a filter names, by the id in the filter, and `types` the types of the tenant's own properties.
    """

    source: str | None
    zone: ZoneInfo
    options: Mapping[StandardField, Options] = field(default_factory=dict[StandardField, Options])
    objects: Mapping[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    types: Mapping[str, str] = field(default_factory=dict[str, str])


def search_request(
    properties: Sequence[str],
    groups: Sequence[FilterGroup],
    limit: int,
    *,
    sort_by: str | None = None,
    descending: bool = True,
    words: str | None = None,
) -> Body:
    """Return the body of a search request; `words` are searched for in the default properties.

    Raises:
        Rejected: it is longer than HubSpot takes.
    """
    order = {"propertyName": sort_by, "direction": "DESCENDING" if descending else "ASCENDING"}
    body: Body = {
        "filterGroups": [{"filters": group} for group in groups if group],
        "sorts": [order] if sort_by else [],
        "properties": list(properties),
        "limit": limit,
        "after": "0",
    }
    body |= {"query": words} if words else {}
    if len(json.dumps(body, ensure_ascii=False, separators=(",", ":"))) > _MAX_CHARACTERS:
        _reject_size()
    return body


def next_page(body: Body, after: str) -> Body:
    """Return the request for the page after another one; `after` is of that page's response."""
    return {**body, "after": after}


def page_size(query: Query) -> int:
    """Return how many records to ask for: HubSpot finds more than some filters mean."""
    return _MAX_PAGE if any(map(_is_coarse, query.filters)) else query.limit


def properties_to_describe(query: Query, source: str | None) -> list[str]:
    """Return those properties in filters that are translated by their type, and have no known one.

    These are the tenant's own, where there are several values to choose from, or a day or time.
    """
    known = {*STANDARD_FIELDS[query.kind]} - {"source"}
    own = [each for each in query.filters if each.field not in known]
    unclear = [each for each in own if isinstance(each.value, list) or _is_time(each.value)]
    names = properties_by_field(query.kind, source)
    return list(dict.fromkeys(names.get(each.field, each.field) for each in unclear))


def sort_property(query: Query, source: str | None) -> tuple[str, bool]:
    """Return the property that a query is sorted by, and whether in descending order.

    Raises:
        Rejected: the field is a reference.
    """
    field = query.order_by
    if field is None:
        return created_property(query.kind), True
    if field in REFERENCES and field in STANDARD_FIELDS[query.kind]:
        raise Rejected("HubSpot does not put records in the order of others.")
    if field == "name" and query.kind in PERSON_KINDS:
        return LAST_NAME, query.descending
    return properties_by_field(query.kind, source).get(field, field), query.descending


def created_property(kind: Kind) -> str:
    """Return the property that holds the time of creation."""
    return _CREATED_PROPERTIES.get(kind, "createdate")


def filter_groups(query: Query, context: FilterContext) -> list[FilterGroup]:
    """Return the filter groups of a query.

    Raises:
        Rejected: HubSpot does not take so many filters, or such a filter.
    """
    per_filter = [_alternatives(query.kind, each, context) for each in query.filters]
    leads_only = [_filter(LIFECYCLE_STAGE, "EQ", LEAD_STAGE)] if query.kind == "lead" else []
    groups = [
        [*leads_only, *(each for group in combination for each in group)]
        for combination in product(*per_filter)
    ]
    sizes = [len(group) for group in groups]
    largest = max(sizes, default=0)
    if len(groups) > _MAX_GROUPS or sum(sizes) > _MAX_FILTERS or largest > _MAX_FILTERS_OF_GROUP:
        _reject_size()
    return groups


def satisfies(
    record: Record, crm_object: CrmObject, condition: Filter, context: FilterContext
) -> bool:
    """Say whether what HubSpot found satisfies a filter on the whole value.

    `record` is `crm_object`. HubSpot compares texts word by word, and takes a star in them for any
    letters; numbers are searched for by their last digits.
    """
    name = condition.field
    compares_numbers = condition.op in ("is", "one_of", "is_not")
    if name == "phone" and name in STANDARD_FIELDS[record.kind] and compares_numbers:
        return _has_number(crm_object, condition) == (condition.op != "is_not")
    value = record.values.get(name, record.fields.get(name, ""))
    text, expected = (" ".join(str(each).casefold().split()) for each in (value, condition.value))
    match condition.op:
        case "starts_with":
            return text.startswith(expected)
        case "contains" if name not in context.options:
            return expected in text
        case "is" if name == "name":
            return text == expected
        case "is_not" if name == "name":
            return text != expected
        case _:
            return True


def _has_number(crm_object: CrmObject, condition: Filter) -> bool:
    values = condition.value if isinstance(condition.value, list) else [str(condition.value)]
    numbers = [crm_object.properties.get(name) or "" for name in PHONE_PROPERTIES]
    return any(is_same_number(value, number) for value in values for number in numbers)


def _is_coarse(condition: Filter) -> bool:
    return condition.op in ("starts_with", "contains") or condition.field in ("name", "phone")


def restrict_to_leads(groups: Sequence[FilterGroup], kinds: Sequence[Kind]) -> list[FilterGroup]:
    """Return the groups with a filter for the stage of leads if `kinds` has nothing but leads."""
    leads_only = [_filter(LIFECYCLE_STAGE, "EQ", LEAD_STAGE)] if list(kinds) == ["lead"] else []
    return [[*group, *leads_only] for group in groups or [[]]]


def contact_detail_filters(name: str, query: SearchQuery) -> list[FilterGroup]:
    """Return the groups for the number or address of a query; none if the type has neither."""
    if query.phone and name in ("contacts", "companies"):
        digits = significant_digits(query.phone)
        numbers = (*_SEARCHABLE_PHONES, *PHONE_PROPERTIES) if name == "contacts" else ("phone",)
        groups = [[_filter(each, "CONTAINS_TOKEN", f"*{digits}")] for each in numbers]
        return [*groups, [_filter("phone", "CONTAINS_TOKEN", f"*{digits[-_SUFFIX_LENGTH:]}")]]
    if query.email and name == "contacts":
        other = _filter(ADDITIONAL_EMAILS, "CONTAINS_TOKEN", query.email)
        return [[_filter("email", "EQ", query.email)], [other]]
    return []


def similar_name_filters(name: str, text: str) -> list[FilterGroup]:
    """Return the groups for names with a word that begins like one of the text's words."""
    prefixes = [word[:_PREFIX_LENGTH] for word in re.findall(r"\w{2,}", text)]
    pairs = [(each, prefix) for prefix in reversed(prefixes) for each in _NAME_PROPERTIES[name]]
    return [[_filter(each, "CONTAINS_TOKEN", f"{prefix}*")] for each, prefix in pairs[:_MAX_GROUPS]]


def recent_filters(
    kind: Kind, title: str, since: datetime, context: FilterContext
) -> list[FilterGroup]:
    """Return the groups for records with this name or subject that were created since a time."""
    is_new = _filter(created_property(kind), "GTE", _to_milliseconds(since))
    title_field = "name" if "name" in STANDARD_FIELDS[kind] else "subject"
    groups = _alternatives(kind, Filter(field=title_field, value=title), context)
    return [[*group, is_new] for group in groups]


def _alternatives(kind: Kind, condition: Filter, context: FilterContext) -> list[FilterGroup]:
    """Return the groups that stand for one filter; an object has to satisfy one of them."""
    name, value = condition.field, condition.value
    prop = properties_by_field(kind, context.source).get(name, name)
    if name not in STANDARD_FIELDS[kind] or name == "source":
        return _own_filters(prop, condition, context)
    if name == "name" and kind in PERSON_KINDS:
        return _name_filters(condition)
    if name in REFERENCES:
        return _association_filters(condition, context.objects)
    if name == "phone" and condition.op in ("is", "one_of"):
        return _phone_filters(kind, value if isinstance(value, list) else [str(value)])
    if name.endswith("_date") and not isinstance(value, list):
        return _day_filters(prop, condition.op, _parse_datetime(value).date(), context.zone)
    if name.endswith("_at") and not isinstance(value, list):
        value = _to_milliseconds(_parse_datetime(value))
    texts = [str(each) for each in value] if isinstance(value, list) else [to_text(value)]
    if name in context.options:
        # A text that no option matches is compared as it is.
        found = [(context.options[name].matching(text), text) for text in texts]
        values = [each for some, text in found for each in [one.value for one in some] or [text]]
        return _comparison_filters(prop, condition.op, values, "enumeration")
    theirs = ENUM_VALUES.get((kind, name))
    values = [(theirs or {}).get(text, text) for text in texts]
    return _comparison_filters(prop, condition.op, values, "enumeration" if theirs else "string")


def _own_filters(name: str, condition: Filter, context: FilterContext) -> list[FilterGroup]:
    """Return the groups for a property of the tenant's own.

    A day of a property with dates is midnight in UTC; one with moments has those of the day.
    """
    op, value, kind = condition.op, condition.value, context.types.get(name, "")
    if isinstance(value, list):
        return _comparison_filters(name, op, value, kind)
    if kind in ("date", "datetime") and _is_time(value):
        moment = _parse_datetime(value)
        if kind == "date" or moment.tzinfo is None:
            zone = ZoneInfo("UTC") if kind == "date" else context.zone
            return _day_filters(name, op, moment.date(), zone)
        value = _to_milliseconds(moment)
    return _comparison_filters(name, op, [to_text(value)], kind)


def _comparison_filters(name: str, op: str, values: list[str], kind: str) -> list[FilterGroup]:
    """Return the groups that compare a property, whose type is `kind`, if that is known."""
    match op:
        case "contains":
            return [[_filter(name, "CONTAINS_TOKEN", f"*{values[0]}*")]]
        case "starts_with":
            return [[_filter(name, "CONTAINS_TOKEN", f"{values[0]}*")]]
        case "is_not":
            differs = _filter(name, "NEQ", values[0])
            if len(values) > 1:  # options: stages of several pipelines may have the same label
                differs = {"propertyName": name, "operator": "NOT_IN", "values": values}
            return [[differs], [{"propertyName": name, "operator": "NOT_HAS_PROPERTY"}]]
        case "one_of" | "is" if len(values) != 1:
            if not kind:  # in which case a list has to be written is not known
                return [[_filter(name, "EQ", value)] for value in values]
            texts = [each.lower() for each in values] if kind in _CASELESS_TYPES else values
            return [[{"propertyName": name, "operator": "IN", "values": texts}]]
        case "one_of":
            return [[_filter(name, "EQ", values[0])]]
        case _:
            return [[_filter(name, _OPERATORS[op], values[0])]]


def _phone_filters(kind: Kind, numbers: Sequence[str]) -> list[FilterGroup]:
    """Return the groups for phone numbers, of which a record is to have one."""
    names: tuple[str, ...] = ("phone",)
    if kind in PERSON_KINDS:
        # For several numbers the groups suffice for those that HubSpot has computed.
        names = (*_SEARCHABLE_PHONES, *(PHONE_PROPERTIES if len(numbers) == 1 else ()))
    patterns = [f"*{significant_digits(number)}" for number in numbers]
    return [[_filter(name, "CONTAINS_TOKEN", each)] for each in patterns for name in names]


def _name_filters(condition: Filter) -> list[FilterGroup]:
    """Return the groups for a person's name, which HubSpot has as first and last name."""
    if isinstance(condition.value, list):
        return [group for each in condition.value for group in _full_name_filters(each)]
    text = str(condition.value)
    first, _, last = text.strip().rpartition(" ")
    match condition.op:
        case "is":
            return _full_name_filters(text)
        case "is_not":
            parts = ((FIRST_NAME, first), (LAST_NAME, last)) if first else ((LAST_NAME, last),)
            return [
                group
                for name, part in parts
                for group in _comparison_filters(name, "is_not", [part], "string")
            ]
        case "contains" | "starts_with":
            pattern = ("*" if condition.op == "contains" else "") + last + "*"
            if first:
                has_first = _filter(FIRST_NAME, "CONTAINS_TOKEN", f"*{first}")
                return [[has_first, _filter(LAST_NAME, "CONTAINS_TOKEN", pattern)]]
            names = (FIRST_NAME, LAST_NAME)
            return [[_filter(name, "CONTAINS_TOKEN", pattern)] for name in names]
        case _:
            raise Rejected("A name is neither above nor below another one.")


def _full_name_filters(name: str) -> list[FilterGroup]:
    first, _, last = name.strip().rpartition(" ")
    if not first:
        return [[_filter(LAST_NAME, "EQ", last)], [_filter(FIRST_NAME, "EQ", last)]]
    return [[_filter(FIRST_NAME, "EQ", first.strip()), _filter(LAST_NAME, "EQ", last)]]


def _association_filters(
    condition: Filter, objects: Mapping[str, tuple[str, str]]
) -> list[FilterGroup]:
    """Return the groups for a reference; the ids in the filter's value are in `objects`."""
    if condition.op not in ("is", "one_of"):
        raise Rejected(f"HubSpot cannot tell for which records {condition.field} is not so.")
    ids = condition.value if isinstance(condition.value, list) else [str(condition.value)]
    found = [objects[each] for each in ids]
    return [
        [_filter(f"associations.{_SINGULAR[name]}", "EQ", record_id)] for name, record_id in found
    ]


def _day_filters(name: str, op: str, day: date, zone: ZoneInfo) -> list[FilterGroup]:
    """Return the groups for a property that holds a moment of a day in a time zone."""
    first, next_day = (
        _to_milliseconds(first_moment(each, time.min, zone)) for each in (day, day + _ONE_DAY)
    )
    match op:
        case "above":
            return [[_filter(name, "GTE", next_day)]]
        case "below":
            return [[_filter(name, "LT", first)]]
        case "is":
            return [[_filter(name, "GTE", first), _filter(name, "LT", next_day)]]
        case "is_not":
            return [[_filter(name, "LT", first)], [_filter(name, "GTE", next_day)]]
        case _:
            raise Rejected("A day is on, before or after another one.")


def _is_time(value: object) -> bool:
    """Say whether a value is a text with a day or a time in ISO 8601."""
    if not isinstance(value, str) or not re.match(r"\d{4}-\d\d-\d\d", value):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _parse_datetime(value: Value) -> datetime:
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        raise Rejected("That is no day or time.", next="Call again with an ISO date.") from None


def _to_milliseconds(moment: datetime) -> str:
    """Return a moment as filters have it; one without a time zone is in UTC."""
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return str(round(moment.timestamp() * 1000))


def _filter(name: str, operator: str, value: Value) -> Body:
    return {"propertyName": name, "operator": operator, "value": str(value)}


def _reject_size() -> NoReturn:
    raise Rejected(
        "That is more than HubSpot can be asked at once.",
        next="Use fewer filters, values or fields.",
    )
