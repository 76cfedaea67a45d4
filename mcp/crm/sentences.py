"""The sentences about records that are spoken to callers."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from config.language.catalogue import Catalogue
from crm.provider import InputValues, Kind, Record, SearchQuery, StandardField, Value
from crm.results import MAX_HITS
from toolkit.instants import elapsed
from toolkit.speech import phrases
from toolkit.speech.clock import Clock
from toolkit.speech.people import digits
from toolkit.speech.phrases import number_words

_MAX_NAMES = 3  # of a query's records
_MAX_TEXT = 60  # characters: a longer text is not read out
_TITLE_FIELDS = ("name", "subject")
_NAME_FIELDS = (*_TITLE_FIELDS, "company")
_REFERENCE_FIELDS = ("account", "contact", "about")  # ids, which are not read out
_UNREAD_FIELDS = (*_REFERENCE_FIELDS, "notes")
_MINUTE = timedelta(minutes=1)
_TIME_FIELDS = ("due_date", "close_date", "starts_at")

say = Catalogue("crm")


def record_name(values: Mapping[StandardField, object]) -> str:
    """Return `Tom Hill of Acme`; empty if the record has neither name nor subject."""
    title = next((str(values[field]) for field in _TITLE_FIELDS if values.get(field)), "")
    company = values.get("company")
    return say("name_of_company", name=title, company=str(company)) if title and company else title


def name_with_kind(kind: Kind, values: Mapping[StandardField, object]) -> str:
    """Return `Tom Hill of Acme, a lead`."""
    name, noun = record_name(values), say("kind", kind=kind)
    return say("named_kind", name=name, kind=noun) if name else noun


def describe_record(kind: Kind, values: Mapping[StandardField, object], clock: Clock) -> str:
    """Return `Tom Hill of Acme, a lead, status open`, as a sentence."""
    known = [field for field in ("status", "stage", *_TIME_FIELDS) if values.get(field)]
    state = [_describe_field(field, values[field], clock) for field in known]
    return say("shown", facts=phrases.list_words([name_with_kind(kind, values), *state], "comma"))


def name_with_times(values: InputValues, clock: Clock) -> str:
    """Return `Call back, due Thursday`."""
    times = [_describe_field(each, values[each], clock) for each in _TIME_FIELDS if each in values]
    return phrases.list_words([record_name(values), *times], "comma")


def name_with_details(values: InputValues, fields: Mapping[str, Value | None], clock: Clock) -> str:
    """Return `Tom Hill of Acme, phone 5 5 5, 0 1 4 2 and with notes`, without references."""
    left_out = (*_NAME_FIELDS, *_REFERENCE_FIELDS)
    details = {field: value for field, value in values.items() if field not in left_out}
    words = [record_name(values), *_describe_fields(details, fields, clock)]
    return phrases.join_words(words, "and")


def describe_changes(values: InputValues, fields: Mapping[str, Value | None], clock: Clock) -> str:
    """Return `phone 5 5 5, 0 1 4 2 and status open`: all given fields, the custom ones last."""
    return phrases.join_words(_describe_fields(values, fields, clock), "and")


def describe_query_result(kind: Kind, names: Sequence[str], *, more: bool) -> str:
    """Return `I found three leads: a, b and c`, as a sentence."""
    if not names:
        return say("no_records", kind=kind)
    count = len(names)
    return say(
        "records_found",
        named="other" if more else "first" if count > _MAX_NAMES else "all",
        records=say("records", kind=kind, count=count, number=number_words(count)),
        names=phrases.join_words(names[:_MAX_NAMES], "and"),
    )


def describe_matches(query: SearchQuery, matches: Sequence[Record]) -> str:
    """Return the sentence about the records that match a search."""
    if not matches:
        return _describe_no_match(query)
    names = [name_with_kind(record.kind, record.values) for record in matches[:MAX_HITS]]
    count = len(matches)
    if count == 1:
        return say("one_found", record=names[0])
    if count > MAX_HITS:
        return say("many_found", records=phrases.list_words(names, "semicolon"))
    records = phrases.join_words(names)
    return say("some_found", count=count, number=number_words(count), records=records)


def parse_datetime(value: object) -> datetime | None:
    """Return an aware datetime from ISO 8601; None if the value is something else."""
    try:
        parsed = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return parsed if parsed.tzinfo else None


def _describe_no_match(query: SearchQuery) -> str:
    if query.phone or query.email:
        by = "phone" if query.phone else "email"
    else:
        by = "text" if len(query.text) <= _MAX_TEXT else "long_text"
    return say("nothing_found", by=by, text=query.text)


def _describe_fields(
    values: InputValues, fields: Mapping[str, Value | None], clock: Clock
) -> list[str]:
    standard = [
        _describe_field(field, value, clock)
        for field, value in values.items()
        if field != "ends_at"
    ]
    start, end = values.get("starts_at"), values.get("ends_at")
    if isinstance(start, datetime) and isinstance(end, datetime):
        standard.append(say("minutes", minutes=round(elapsed(start, end) / _MINUTE)))
    return standard + [_describe_own_field(name, value) for name, value in fields.items()]


def _describe_own_field(name: str, value: Value | None) -> str:
    words = " ".join(name.split("_")).strip()
    if value is None:
        return say("empty_field", field=words)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return say("own_field", field=words, value=text)


def _describe_field(field: StandardField, value: object, clock: Clock) -> str:
    if isinstance(value, float):
        return say("amount", amount=Decimal(f"{value:.2f}"))
    when = _parse_date_or_datetime(value) if field in _TIME_FIELDS else None
    text = str(value) if when is None else clock.describe(when)
    if field == "phone" and digits(text):
        text = phrases.phone_label(text)
    is_long = when is None and field not in _UNREAD_FIELDS and len(text) > _MAX_TEXT
    return say("long_field" if is_long else "field", field=field, value=text)


def _parse_date_or_datetime(value: object) -> date | datetime | None:
    # What a vendor returned may be neither.
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        return parse_datetime(value)
