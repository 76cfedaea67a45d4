"""What callers and models give, as a CRM is told it."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from config.text import clean
from crm.provider import (
    CASE_STATUSES,
    PRIORITIES,
    TASK_STATUSES,
    WORDS,
    FieldName,
    Fields,
    Filter,
    Given,
    Kind,
    Value,
    Word,
)
from toolkit.errors import NotFound, Rejected
from toolkit.speech.clock import Clock
from toolkit.speech.emails import email_address
from toolkit.speech.numbers import phone_number
from toolkit.speech.times import utc

_OURS: Mapping[tuple[Kind, Word], tuple[str, ...]] = {
    ("task", "status"): TASK_STATUSES,
    ("task", "priority"): PRIORITIES,
    ("case", "status"): CASE_STATUSES,
    ("case", "priority"): PRIORITIES,
}
_LONG = ("notes",)


def words(**values: Given | None) -> dict[Word, Given]:
    """Return what was given, without what was left out."""
    tidied = {word: _tidy(word, value) for word, value in values.items()}
    return {word: value for word, value in tidied.items() if value is not None and value != ""}


def phone(said: str | None) -> str | None:
    """Return a phone number in digits.

    Raises:
        Rejected: it is none.
    """
    if not said or not said.strip():
        return None
    number = phone_number(said)
    if number is None:
        raise Rejected(
            "That is not a phone number.",
            say="Could you give me the phone number once more?",
            next="Call again with what the caller says, or without it.",
        )
    return number


def email(said: str | None) -> str | None:
    """Return an e-mail address.

    Raises:
        Rejected: it is none.
    """
    if not said or not said.strip():
        return None
    address = email_address(said)
    if address is None:
        raise Rejected(
            "That is not an e-mail address.",
            say="Could you spell the e-mail address for me?",
            next="Call again with the address as it is written, or without it.",
        )
    return address


def reference(kind: Kind, said: str) -> str:
    """Return an id.

    Raises:
        NotFound: it is empty.
    """
    record_id = clean(said).strip()
    if not record_id:
        raise not_found(kind)
    return record_id


def not_found(kind: Kind) -> NotFound:
    """Return the failure to find a record."""
    return NotFound(
        f"There is no such {kind}.",
        say=f"I can't find that {kind}.",
        next="Find it with search first, then pass on its id.",
    )


def settled(kind: Kind, values: Mapping[Word, Given]) -> dict[Word, Given]:
    """Return the values with those of ours spelled as we do."""
    return {word: _ours(kind, word, value) for word, value in values.items()}


def own(kind: Kind, fields: Sequence[FieldName]) -> tuple[FieldName, ...]:
    """Return the names that are the tenant's own."""
    return tuple(name for name in dict.fromkeys(fields) if name not in WORDS[kind])


def own_values(kind: Kind, fields: Fields | None) -> dict[str, Value | None]:
    """Return what is given of the tenant's own fields.

    Raises:
        Rejected: one is one of our words.
    """
    given = dict(fields or {})
    ours = [name for name in given if name in WORDS[kind] or name == "id"]
    if ours:
        raise Rejected(
            f"{ours[0]} is not one of the business's own fields.",
            next=f"Call again with {ours[0]} as an argument, if the tool has one.",
        )
    return {name: clean(each) if isinstance(each, str) else each for name, each in given.items()}


def condition(kind: Kind, asked: Filter, clock: Clock) -> Filter:
    """Return a condition with its value as the provider takes it.

    Raises:
        Rejected: the value does not go with the operator or the field.
    """
    several = isinstance(asked.value, list)
    if several != (asked.op == "one_of"):
        raise Rejected(
            f"{asked.op} takes {'one value' if several else 'a list of values'}.",
            next="Call again with an operator that fits the value.",
        )
    if isinstance(asked.value, list):
        values = [str(_ours(kind, asked.field, clean(each))) for each in asked.value]
        return asked.model_copy(update={"value": values})
    return asked.model_copy(update={"value": _compared(kind, asked, asked.value, clock)})


def shown(word: Word, value: Any) -> Value:
    """Return a value as an answer shows it."""
    if isinstance(value, date):  # or a moment, which is one
        return value.isoformat()
    return value if word == "amount" else str(value)


def _tidy(word: Word, value: Given | None) -> Given | None:
    if not isinstance(value, str):
        return value
    return clean(value).strip() if word in _LONG else " ".join(clean(value).split())


def _ours(kind: Kind, word: Word, value: Given) -> Given:
    ours = _OURS.get((kind, word), ())
    return value.casefold() if isinstance(value, str) and value.casefold() in ours else value


def _compared(kind: Kind, asked: Filter, value: Value, clock: Clock) -> Value:
    if not isinstance(value, str):
        return value
    if asked.field not in WORDS[kind]:
        return clean(value)
    if asked.field.endswith("_date"):
        return clock.day(value).isoformat()
    if asked.field.endswith("_at"):
        return utc(clock.start(value))
    if asked.field == "amount":
        return _amount(value)
    return str(_ours(kind, asked.field, clean(value)))


def _amount(text: str) -> float:
    try:
        return float(text.replace(",", ""))
    except ValueError:
        raise Rejected(
            "The amount is to be a number.", next="Call again with digits alone."
        ) from None
