"""Records as they are spoken of."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime

from crm.provider import Given, Kind, Value, Word
from toolkit.speech import phrases
from toolkit.speech.clock import Clock
from toolkit.speech.numbers import number_words

PLURALS: Mapping[Kind, str] = {
    "lead": "leads",
    "contact": "contacts",
    "account": "accounts",
    "opportunity": "opportunities",
    "task": "tasks",
    "event": "events",
    "case": "cases",
}
_NAMED = 3  # records that are spoken of by name
_TITLES = ("name", "subject")
_CALLED = (*_TITLES, "company")
_RECORDS = ("account", "contact", "about")  # ids of them
_WHEN = ("due_date", "close_date", "starts_at")
_LONG = 60  # characters: more of a text is not read out
_SAID = {"email": "e-mail", "due_date": "due", "close_date": "closing", "starts_at": ""}


def a(kind: Kind) -> str:
    """Return `a lead`."""
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def called(values: Mapping[Word, object]) -> str:
    """Return `Tom Hill of Acme`."""
    title = next((str(values[word]) for word in _TITLES if values.get(word)), "")
    company = values.get("company")
    return f"{title} of {company}" if title and company else title


def introduced(kind: Kind, values: Mapping[Word, object]) -> str:
    """Return `Tom Hill of Acme, a lead`."""
    return f"{called(values)}, {a(kind)}" if called(values) else a(kind)


def state(values: Mapping[Word, object], clock: Clock) -> str:
    """Return `status open, due Thursday`."""
    known = [word for word in ("status", "stage", *_WHEN) if values.get(word)]
    return ", ".join(_said(word, values[word], clock) for word in known)


def when(values: Mapping[Word, object], clock: Clock) -> str:
    """Return `due Thursday`."""
    return ", ".join(_said(word, values[word], clock) for word in _WHEN if values.get(word))


def details(
    values: Mapping[Word, Given], fields: Mapping[str, Value | None], clock: Clock
) -> list[str]:
    """Return `phone 5550142`, and so on: what was given besides what the record is called."""
    unsaid = (*_CALLED, *_RECORDS)
    told = {word: value for word, value in values.items() if word not in unsaid}
    return changes(told, fields, clock)


def changes(
    values: Mapping[Word, Given], fields: Mapping[str, Value | None], clock: Clock
) -> list[str]:
    """Return `status open`, and so on: all that was given."""
    said = [_said(word, value, clock) for word, value in values.items() if word != "ends_at"]
    start, end = values.get("starts_at"), values.get("ends_at")
    if isinstance(start, datetime) and isinstance(end, datetime):
        said.append(f"{(end - start).total_seconds() / 60:.0f} minutes")
    own = [
        f"{' '.join(name.split('_')).strip()} {'empty' if value is None else value}"
        for name, value in fields.items()
    ]
    return said + own


def found(kind: Kind, titles: Sequence[str], *, more: bool) -> str:
    """Return `I found three leads: a, b and c`, as a sentence."""
    if not titles:
        return f"I can't find any such {kind}."
    if len(titles) == 1 and not more:
        return f"I found one {kind}: {titles[0]}."
    count, named = number_words(len(titles)), phrases.join_words(titles[:_NAMED], "and")
    what = PLURALS[kind] if len(titles) > 1 else kind
    if more:
        return f"I found more than {count} {what}, among them {named}."
    among = ", among them" if len(titles) > _NAMED else ":"
    return f"I found {count} {what}{among} {named}."


def _said(word: Word, value: object, clock: Clock) -> str:
    if word in _RECORDS:
        return f"another {word}" if word != "about" else "what it is about"
    name, text = _SAID.get(word, word), _value(word, value, clock)
    if word == "notes":
        return "with notes"
    return f"{name} {text}".strip() if len(text) <= _LONG else f"a new {name}"


def _value(word: Word, value: object, clock: Clock) -> str:
    day = _when(value) if word in _WHEN else None
    if day is not None:
        return clock.said(day)
    return f"{value:.2f}".removesuffix(".00") if isinstance(value, float) else str(value)


def _when(value: object) -> date | datetime | None:
    """Return a day, or a moment; None where a vendor's is neither."""
    if isinstance(value, date):
        return value
    try:
        day = date.fromisoformat(str(value))
    except ValueError:
        return moment(value)
    return day


def moment(value: object) -> datetime | None:
    """Return a moment that a vendor wrote down; None where it is none."""
    try:
        read = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return read if read.tzinfo else None
