"""Whom a caller means, among the records that a CRM returns for a few words."""

from collections.abc import Sequence

from crm.provider import Kind, Record, Wanted
from crm.results import Hit
from crm.sentences import called, introduced
from toolkit.speech import phrases
from toolkit.speech.emails import email_address
from toolkit.speech.numbers import number_words
from toolkit.speech.people import fold, is_similar, likeness, number_in, same_number

SHOWN = 3
_PEOPLE: tuple[Kind, ...] = ("lead", "contact", "account")
_BY_NAME: tuple[Kind, ...] = (*_PEOPLE, "opportunity", "case")
_ECHOED = 60  # characters of what was said


def wanted(text: str) -> Wanted:
    """Return what was said, and what it seems to be."""
    return Wanted(text=text, phone=number_in(text), email=email_address(text))


def kinds(wish: Wanted, kind: Kind | None) -> tuple[Kind, ...]:
    """Return the kinds of record that are looked through."""
    if kind is not None:
        return (kind,)
    return _PEOPLE if wish.phone or wish.email else _BY_NAME


def meant(wish: Wanted, records: Sequence[Record]) -> list[Record]:
    """Return the records that may be meant, the likeliest first."""
    candidates = list({(record.kind, record.id): record for record in records}.values())
    if wish.phone:
        return [record for record in candidates if _has_number(record, wish.phone)]
    if wish.email:
        return [record for record in candidates if _has_address(record, wish.email)]
    called_so = [record for record in candidates if fold(record.title) == fold(wish.text)]
    if called_so:
        return called_so
    ranked = sorted(candidates, key=lambda record: -_likeness(wish.text, record))
    named = [record for record in ranked if _alike(wish.text, record)]
    return named or [record for record in candidates if _tells(wish.text, record)]


def hit(record: Record) -> Hit:
    """Return what tells a record from others."""
    known = {
        word: str(record.values[word])
        for word in ("company", "phone", "email")
        if record.values.get(word)
    }
    return Hit(kind=record.kind, id=record.id, title=record.title, **known)


def said(wish: Wanted, records: Sequence[Record]) -> str:
    """Return what the caller is told of those that may be meant."""
    if not records:
        return _nobody(wish)
    shown = [introduced(record.kind, record.values) for record in records[:SHOWN]]
    if len(records) == 1:
        return f"I found {shown[0]}."
    if len(records) > SHOWN:
        return f"I found several, among them {'; '.join(shown)}. Can you tell me more?"
    return f"I found {number_words(len(records))}: {phrases.join_words(shown)}. Which one?"


def _nobody(wish: Wanted) -> str:
    if wish.phone:
        return "I can't find anyone with that number."
    if wish.email:
        return "I can't find anyone with that e-mail address."
    return f"I can't find {wish.text}." if len(wish.text) <= _ECHOED else "I can't find that."


def _has_number(record: Record, number: str) -> bool:
    # A vendor has several numbers of a person: those that are not our `phone` are its fields.
    numbers = (record.values.get("phone"), *record.fields.values())
    return any(isinstance(each, str) and same_number(number, each) for each in numbers)


def _has_address(record: Record, address: str) -> bool:
    addresses = (record.values.get("email"), *record.fields.values())
    return address.casefold() in (str(each).casefold() for each in addresses)


def _likeness(text: str, record: Record) -> float:
    return max(likeness(text, name) for name in _names(record))


def _alike(text: str, record: Record) -> bool:
    return any(is_similar(text, name) for name in _names(record))


def _names(record: Record) -> tuple[str, str, str]:
    return record.title, str(record.values.get("company", "")), called(record.values)


def _tells(text: str, record: Record) -> bool:
    """Say whether everything that was said is told by a record, or something that sounds so."""
    told = fold(" ".join(str(value) for value in record.values.values())).split()
    return all(
        any(each.startswith(word) or is_similar(word, each) for each in told)
        for word in fold(text).split()
    )
