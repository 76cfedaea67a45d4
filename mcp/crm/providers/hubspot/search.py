"""HubSpot's search requests: https://developers.hubspot.com/docs/api-reference/search/guide.

A search has groups of filters: an object satisfies all filters of one of the groups. Values are
JSON strings, so nothing in them can become part of the query.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import product
from typing import Any

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
    properties_by_field,
    to_text,
)
from crm.providers.hubspot.options import Options
from toolkit.errors import Rejected
from toolkit.speech.people import significant_digits

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
_MAX_GROUPS, _MAX_FILTERS = 5, 18
_PREFIX_LENGTH = 3  # letters at the beginning of a name, which are rarely misheard
_SUFFIX_LENGTH = 4  # digits at the end of a number, which are rarely separated
_ONE_DAY = timedelta(days=1)
_ONE_MILLISECOND = timedelta(milliseconds=1)
# HubSpot computes these from a contact's numbers: the digits without the country code.
_SEARCHABLE_PHONES = (
    "hs_searchable_calculated_phone_number",
    "hs_searchable_calculated_mobile_number",
)


def search_request(
    properties: Sequence[str],
    groups: Sequence[FilterGroup],
    limit: int,
    *,
    sort_by: str | None = None,
    descending: bool = True,
    words: str | None = None,
) -> Body:
    """Return the body of a search request; `words` are searched for in the default properties."""
    order = {"propertyName": sort_by, "direction": "DESCENDING" if descending else "ASCENDING"}
    body: Body = {
        "filterGroups": [{"filters": group} for group in groups if group],
        "sorts": [order] if sort_by else [],
        "properties": list(properties),
        "limit": limit,
        "after": "0",
    }
    return {**body, "query": words} if words else body


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


def filter_groups(
    query: Query,
    source: str | None,
    options: Mapping[StandardField, Options],
    types: Mapping[str, str],
) -> list[FilterGroup]:
    """Return the filter groups of a query.

    `types` has the object type of each object that a filter refers to, by its id.

    Raises:
        Rejected: HubSpot does not take so many filters, or such a filter.
    """
    per_filter = [_alternatives(query.kind, each, source, options, types) for each in query.filters]
    leads_only = [_filter(LIFECYCLE_STAGE, "EQ", LEAD_STAGE)] if query.kind == "lead" else []
    groups = [
        [*leads_only, *(each for group in combination for each in group)]
        for combination in product(*per_filter)
    ]
    if len(groups) > _MAX_GROUPS or sum(map(len, groups)) > _MAX_FILTERS:
        raise Rejected("That is more than HubSpot can be asked at once.", next="Use fewer filters.")
    return groups


def satisfies(record: Record, condition: Filter) -> bool:
    """Say whether a record that HubSpot found satisfies a filter on the whole value.

    HubSpot compares the beginnings of texts, and the parts of names, word by word.
    """
    value = record.values.get(condition.field, record.fields.get(condition.field, ""))
    text, expected = str(value).casefold(), str(condition.value).casefold()
    match condition.op:
        case "starts_with":
            return text.startswith(expected)
        case "is" if condition.field == "name":
            return text.split() == expected.split()
        case "is_not" if condition.field == "name":
            return text.split() != expected.split()
        case _:
            return True


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
    kind: Kind, title: str, since: datetime, source: str | None
) -> list[FilterGroup]:
    """Return the groups for records with this name or subject that were created since a time."""
    is_new = _filter(created_property(kind), "GTE", _to_milliseconds(since))
    field = "name" if "name" in STANDARD_FIELDS[kind] else "subject"
    groups = _alternatives(kind, Filter(field=field, value=title), source, {}, {})
    return [[*group, is_new] for group in groups]


def _alternatives(
    kind: Kind,
    condition: Filter,
    source: str | None,
    options: Mapping[StandardField, Options],
    types: Mapping[str, str],
) -> list[FilterGroup]:
    """Return the groups that stand for one filter; an object has to satisfy one of them."""
    field, value = condition.field, condition.value
    is_standard = field in STANDARD_FIELDS[kind]
    if field == "name" and kind in PERSON_KINDS:
        return _name_filters(condition)
    if is_standard and field in REFERENCES:
        return _association_filters(condition, types)
    name = properties_by_field(kind, source).get(field, field)
    if field == "phone" and is_standard and condition.op == "is":
        digits = f"*{significant_digits(str(value))}"
        names = (_SEARCHABLE_PHONES[0], "phone") if kind in PERSON_KINDS else ("phone",)
        return [[_filter(each, "CONTAINS_TOKEN", digits)] for each in names]
    if field.endswith("_date") and is_standard and not isinstance(value, list):
        return _date_filters(name, condition.op, _parse_datetime(value).date())
    if field.endswith("_at") and is_standard and not isinstance(value, list):
        value = _to_milliseconds(_parse_datetime(value))
    texts = [str(each) for each in value] if isinstance(value, list) else [to_text(value)]
    if field in options:
        # A text that no option matches is compared as it is.
        matches = [(options[field].matching(text), text) for text in texts]
        texts = [each for found, text in matches for each in [one.value for one in found] or [text]]
    theirs = ENUM_VALUES.get((kind, field), {})
    return _comparison_filters(name, condition.op, [theirs.get(text, text) for text in texts])


def _comparison_filters(name: str, op: str, values: list[str]) -> list[FilterGroup]:
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
                for group in _comparison_filters(name, "is_not", [part])
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


def _association_filters(condition: Filter, types: Mapping[str, str]) -> list[FilterGroup]:
    """Return the groups for a reference; the ids in the filter's value are in `types`."""
    if condition.op not in ("is", "one_of"):
        raise Rejected(f"HubSpot cannot tell for which records {condition.field} is not so.")
    ids = condition.value if isinstance(condition.value, list) else [str(condition.value)]
    return [[_filter(f"associations.{_SINGULAR[types[each]]}", "EQ", each)] for each in ids]


def _date_filters(name: str, op: str, day: date) -> list[FilterGroup]:
    """Return the groups for a date, which HubSpot has as a time of that day in UTC."""
    start = datetime.combine(day, time.min, UTC)
    first, last, next_day = (
        _to_milliseconds(each)
        for each in (start, start + _ONE_DAY - _ONE_MILLISECOND, start + _ONE_DAY)
    )
    match op:
        case "above":
            return [[_filter(name, "GTE", next_day)]]
        case "below":
            return [[_filter(name, "LT", first)]]
        case "is":
            return [[_filter(name, "GTE", first), _filter(name, "LTE", last)]]
        case "is_not":
            return [[_filter(name, "LT", first)], [_filter(name, "GTE", next_day)]]
        case _:
            raise Rejected("A day is on, before or after another one.")


def _parse_datetime(value: Value) -> datetime:
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        raise Rejected("That is no day or time.", next="Call again with an ISO date.") from None


def _to_milliseconds(moment: datetime) -> str:
    return str(round(moment.timestamp() * 1000))


def _filter(name: str, operator: str, value: Value) -> Body:
    return {"propertyName": name, "operator": operator, "value": str(value)}
