"""The sentences about records that are spoken to callers."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime

from crm.provider import InputValues, Kind, Record, SearchQuery, StandardField, Value
from crm.results import MAX_HITS
from toolkit.speech import phrases
from toolkit.speech.clock import Clock
from toolkit.speech.phrases import number_words

ANYTHING_ELSE = "Is there anything else?"

_PLURALS: Mapping[Kind, str] = {
    "lead": "leads",
    "contact": "contacts",
    "account": "accounts",
    "opportunity": "opportunities",
    "task": "tasks",
    "event": "events",
    "case": "cases",
}
_MAX_TITLES = 3  # of a query's records
_MAX_TEXT = 60  # characters: a longer text is not read out
_TITLE_FIELDS = ("name", "subject")
_NAME_FIELDS = (*_TITLE_FIELDS, "company")
_REFERENCE_FIELDS = ("account", "contact", "about")  # ids, which are not read out
_TIME_FIELDS = ("due_date", "close_date", "starts_at")
_SPOKEN_FIELDS = {"email": "e-mail", "due_date": "due", "close_date": "closing", "starts_at": ""}


def with_article(kind: Kind) -> str:
    """Return `a lead` or `an account`."""
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def record_name(values: Mapping[StandardField, object]) -> str:
    """Return `Tom Hill of Acme`; empty if the record has neither name nor subject."""
    title = next((str(values[field]) for field in _TITLE_FIELDS if values.get(field)), "")
    company = values.get("company")
    return f"{title} of {company}" if title and company else title


def name_with_kind(kind: Kind, values: Mapping[StandardField, object]) -> str:
    """Return `Tom Hill of Acme, a lead`."""
    name = record_name(values)
    return f"{name}, {with_article(kind)}" if name else with_article(kind)


def describe_state(values: Mapping[StandardField, object], clock: Clock) -> str:
    """Return `status open, due Thursday`."""
    known = [field for field in ("status", "stage", *_TIME_FIELDS) if values.get(field)]
    return ", ".join(_describe_field(field, values[field], clock) for field in known)


def describe_times(values: Mapping[StandardField, object], clock: Clock) -> str:
    """Return `due Thursday`."""
    known = [field for field in _TIME_FIELDS if values.get(field)]
    return ", ".join(_describe_field(field, values[field], clock) for field in known)


def describe_details(
    values: InputValues, fields: Mapping[str, Value | None], clock: Clock
) -> list[str]:
    """Return `phone 5550142` and so on: the given fields except for the name and references."""
    left_out = (*_NAME_FIELDS, *_REFERENCE_FIELDS)
    details = {field: value for field, value in values.items() if field not in left_out}
    return describe_changes(details, fields, clock)


def describe_changes(
    values: InputValues, fields: Mapping[str, Value | None], clock: Clock
) -> list[str]:
    """Return `status open` and so on: all given fields, the custom ones last."""
    standard = [
        _describe_field(field, value, clock)
        for field, value in values.items()
        if field != "ends_at"
    ]
    start, end = values.get("starts_at"), values.get("ends_at")
    if isinstance(start, datetime) and isinstance(end, datetime):
        standard.append(f"{(end - start).total_seconds() / 60:.0f} minutes")
    custom = [
        f"{' '.join(name.split('_')).strip()} {'empty' if value is None else value}"
        for name, value in fields.items()
    ]
    return standard + custom


def describe_query_result(kind: Kind, titles: Sequence[str], *, more: bool) -> str:
    """Return `I found three leads: a, b and c`, as a sentence."""
    if not titles:
        return f"I can't find any such {kind}."
    if len(titles) == 1 and not more:
        return f"I found one {kind}: {titles[0]}."
    count, named = number_words(len(titles)), phrases.join_words(titles[:_MAX_TITLES], "and")
    noun = _PLURALS[kind] if len(titles) > 1 else kind
    if more:
        return f"I found more than {count} {noun}, among them {named}."
    among = ", among them" if len(titles) > _MAX_TITLES else ":"
    return f"I found {count} {noun}{among} {named}."


def describe_matches(query: SearchQuery, matches: Sequence[Record]) -> str:
    """Return the sentence about the records that match a search."""
    if not matches:
        return _describe_no_match(query)
    names = [name_with_kind(record.kind, record.values) for record in matches[:MAX_HITS]]
    if len(matches) == 1:
        return f"I found {names[0]}."
    if len(matches) > MAX_HITS:
        return f"I found several, among them {'; '.join(names)}. Can you tell me more?"
    return f"I found {number_words(len(matches))}: {phrases.join_words(names)}. Which one?"


def parse_datetime(value: object) -> datetime | None:
    """Return an aware datetime from ISO 8601; None if the value is something else."""
    try:
        parsed = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return parsed if parsed.tzinfo else None


def _describe_no_match(query: SearchQuery) -> str:
    if query.phone:
        return "I can't find anyone with that number."
    if query.email:
        return "I can't find anyone with that e-mail address."
    return f"I can't find {query.text}." if len(query.text) <= _MAX_TEXT else "I can't find that."


def _describe_field(field: StandardField, value: object, clock: Clock) -> str:
    if field in _REFERENCE_FIELDS:
        return f"another {field}" if field != "about" else "what it is about"
    if field == "notes":
        return "with notes"
    name, text = _SPOKEN_FIELDS.get(field, field), _describe_value(field, value, clock)
    return f"{name} {text}".strip() if len(text) <= _MAX_TEXT else f"a new {name}"


def _describe_value(field: StandardField, value: object, clock: Clock) -> str:
    when = _parse_date_or_datetime(value) if field in _TIME_FIELDS else None
    if when is not None:
        return clock.describe(when)
    return f"{value:.2f}".removesuffix(".00") if isinstance(value, float) else str(value)


def _parse_date_or_datetime(value: object) -> date | datetime | None:
    # What a vendor returned may be neither.
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        return parse_datetime(value)
