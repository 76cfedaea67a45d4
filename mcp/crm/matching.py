"""Ranks the records that a CRM returned for a search by how well they match what was said."""

from collections.abc import Sequence

from crm.provider import Kind, Record, SearchQuery
from crm.sentences import record_name
from toolkit.speech.emails import spoken_email
from toolkit.speech.people import (
    SURE,
    as_phone_number,
    fold,
    is_same_number,
    is_similar,
    similarity,
)

_PERSON_KINDS: tuple[Kind, ...] = ("lead", "contact", "account")
_NAMED_KINDS: tuple[Kind, ...] = (*_PERSON_KINDS, "opportunity", "case")


def to_search_query(text: str) -> SearchQuery:
    """Return a query that says whether the text is a phone number or an e-mail address."""
    return SearchQuery(text=text, phone=as_phone_number(text), email=spoken_email(text))


def kinds_to_search(query: SearchQuery, kind: Kind | None) -> tuple[Kind, ...]:
    """Return the kinds of record to search, which is `kind` alone where it is given."""
    if kind is not None:
        return (kind,)
    return _PERSON_KINDS if query.phone or query.email else _NAMED_KINDS


def matching_records(query: SearchQuery, candidates: Sequence[Record]) -> list[Record]:
    """Return the candidates that match a query, the best match first.

    Where there are matches that are sure, no others are returned.
    """
    records = list({(record.kind, record.id): record for record in candidates}.values())
    if query.phone:
        return [record for record in records if _has_phone(record, query.phone)]
    if query.email:
        return [record for record in records if _has_email(record, query.email)]
    exact = [record for record in records if fold(record.title) == fold(query.text)]
    if exact:
        return exact
    ranked = sorted(records, key=lambda record: -_likeness(query.text, record))
    similar = [record for record in ranked if _is_similar(query.text, record)]
    sure = [record for record in similar if _likeness(query.text, record) >= SURE]
    return sure or similar or [record for record in records if _contains_words(record, query.text)]


def _has_phone(record: Record, number: str) -> bool:
    # A vendor has several numbers of a person: those besides `phone` are in the custom fields.
    numbers = (record.values.get("phone"), *record.fields.values())
    return any(isinstance(each, str) and is_same_number(number, each) for each in numbers)


def _has_email(record: Record, address: str) -> bool:
    addresses = (record.values.get("email"), *record.fields.values())
    return address.casefold() in (str(each).casefold() for each in addresses)


def _likeness(text: str, record: Record) -> float:
    return max(similarity(text, name) for name in _names(record))


def _is_similar(text: str, record: Record) -> bool:
    return any(is_similar(text, name) for name in _names(record))


def _names(record: Record) -> tuple[str, str, str]:
    return record.title, str(record.values.get("company", "")), record_name(record.values)


def _contains_words(record: Record, text: str) -> bool:
    """Say whether a record contains each word of a text, or a word that sounds like it."""
    words = fold(" ".join(str(value) for value in record.values.values())).split()
    return all(
        any(each.startswith(word) or is_similar(word, each) for each in words)
        for word in fold(text).split()
    )
