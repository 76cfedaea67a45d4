"""The CRM that every business has: its records in PostgreSQL."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, ClassVar
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, func, literal_column, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from config.columns import now
from config.security.vault import Account
from crm.inputs import not_found
from crm.provider import WORDS, Fields, Given, Kind, Page, Query, Record, Value, Wanted, Word
from crm.providers.builtin.filters import REFERENCES, beginning, condition, order
from crm.providers.builtin.tables import CrmRecord
from toolkit.errors import NotFound
from toolkit.speech.people import fold, is_similar, likeness, significant_digits, sounds_like
from toolkit.speech.times import utc
from toolkit.tenancy import Credentials, ToolCall

_REFERENCE = 12  # characters of an id: they tell a business's records apart, in few tokens
_CONSIDERED = 1000  # records among which names are compared by ear
_LONGEST = 50  # letters of a word that are looked for: PostgreSQL refuses very long ones
_TELLING = 2  # letters at the beginning of a name that are heard right, or nearly so


class Builtin:
    """The records of one business."""

    credentials: ClassVar[type[Credentials]] = Credentials
    unsupported: ClassVar[Mapping[str, str]] = {
        "raw_query": "Its records are asked for with `query`; there is no language of its own."
    }

    def __init__(self, account: Account, call: ToolCall) -> None:
        self._call = call

    async def check(self) -> None:
        """See that the records can be read."""
        async with self._call.transaction() as session:
            await session.execute(select(col(CrmRecord.id)).limit(1))

    async def get(self, kind: Kind, record_id: str, fields: Sequence[str] = ()) -> Record | None:
        """Return a record by its reference or its id."""
        async with self._call.transaction() as session:
            row = await _row(session, record_id, kind)
        return _record(row, fields) if row else None

    async def create(self, kind: Kind, values: Mapping[Word, Given], fields: Fields) -> str:
        """Create a record; a repeat finds the one that was created before."""
        own = {name: value for name, value in fields.items() if value is not None}
        async with self._call.transaction() as session:
            data = await _stored(session, values)
            row = {
                "id": uuid4(),
                "business_id": self._call.business_id,
                "kind": kind,
                "data": data,
                "fields": own,
                "idempotency_key": self._call.idempotency_key,
                **_searched(data, own),
            }
            created = insert(CrmRecord).values(row)
            # Nothing of the first one is changed: it is only to be returned.
            same = {"idempotency_key": created.excluded.idempotency_key}
            statement = created.on_conflict_do_update(
                index_elements=["business_id", "idempotency_key"], set_=same
            ).returning(col(CrmRecord.id))
            return _reference((await session.execute(statement)).scalar_one())

    async def find_lost_create(self, kind: Kind, values: Mapping[Word, Given]) -> str | None:
        """Return the reference of what the first try of this very call has created."""
        key = self._call.idempotency_key
        if key is None:
            return None
        mine = select(col(CrmRecord.id)).where(col(CrmRecord.idempotency_key) == key)
        async with self._call.transaction() as session:
            record_id = (await session.execute(mine)).scalar()
        return _reference(record_id) if record_id else None

    async def update(
        self, kind: Kind, record_id: str, values: Mapping[Word, Given], fields: Fields
    ) -> None:
        """Change what is given of a record."""
        async with self._call.transaction() as session:
            row = await _row(session, record_id, kind, alone=True)
            if row is None:
                raise not_found(kind)
            row.data = {**row.data, **await _stored(session, values)}
            own = {**row.fields, **fields}
            row.fields = {name: value for name, value in own.items() if value is not None}
            for name, value in _searched(row.data, row.fields).items():
                setattr(row, name, value)
            row.updated_at = now()

    async def query(self, query: Query) -> Page:
        """Return the records that fulfil a query."""
        statement = (
            select(CrmRecord)
            .where(
                col(CrmRecord.kind) == query.kind,
                *(condition(query.kind, each) for each in query.filters),
            )
            .order_by(*order(query))
            .limit(query.limit + 1)
        )
        async with self._call.transaction() as session:
            rows = (await session.execute(statement)).scalars().all()
        records = tuple(_record(row, query.fields) for row in rows[: query.limit])
        return Page(records=records, more=len(rows) > query.limit)

    async def search(self, wanted: Wanted, kinds: Sequence[Kind], limit: int) -> list[Record]:
        """Return records by number, by address, by words, or by names that sound alike."""
        of_kinds = col(CrmRecord.kind).in_(kinds)
        async with self._call.transaction() as session:
            if wanted.phone:
                found = await _newest(session, limit, of_kinds, _same_line(wanted.phone))
            elif wanted.email:
                address = func.lower(col(CrmRecord.email)) == wanted.email.lower()
                found = await _newest(session, limit, of_kinds, address)
            else:
                found = await _by_words(session, wanted.text, of_kinds, limit)
        return [_record(row, ()) for row in found]


def _same_line(phone: str) -> ColumnElement[bool]:
    number = significant_digits(phone)
    return col(CrmRecord.phone_digits) == number


async def _newest(
    session: AsyncSession, limit: int, *conditions: ColumnElement[bool]
) -> list[CrmRecord]:
    statement = (
        select(CrmRecord)
        .where(*conditions)
        .order_by(col(CrmRecord.created_at).desc(), col(CrmRecord.id))
        .limit(limit)
    )
    return list((await session.execute(statement)).scalars())


async def _by_words(
    session: AsyncSession, text: str, of_kinds: ColumnElement[bool], limit: int
) -> list[CrmRecord]:
    said = [word[:_LONGEST] for word in fold(text).split()]
    if not said:
        return []
    ids = await _by_ear(session, text, said, of_kinds, limit)
    named = await _newest(session, limit, col(CrmRecord.id).in_(ids))
    named.sort(key=lambda row: ids.index(row.id))
    exact = _matching([f"{word}:*" for word in said], " & ")
    others = await _newest(session, limit, of_kinds, exact)
    return [*named, *(row for row in others if row.id not in ids)][:limit]


async def _by_ear(
    session: AsyncSession,
    text: str,
    said: Sequence[str],
    of_kinds: ColumnElement[bool],
    limit: int,
) -> list[UUID]:
    """Return whose names are like what was said, the likest first."""
    company = col(CrmRecord.data)["company"].astext
    beginnings = [f"{each}:*A" for each in sounds_like(said, _TELLING)]
    statement = (
        select(col(CrmRecord.id), col(CrmRecord.title), company)
        .where(of_kinds, _matching(beginnings, " | "))
        .order_by(_matching(beginnings, " & ").desc(), col(CrmRecord.created_at).desc())
        .limit(_CONSIDERED)
    )
    heard: list[tuple[float, UUID]] = []
    for record_id, title, of_company in await session.execute(statement):
        names = [name for name in (title, of_company) if name]
        if any(is_similar(text, name) for name in names):
            heard.append((max(likeness(text, name) for name in names), record_id))
    heard.sort(key=lambda each: -each[0])
    return [record_id for _, record_id in heard[:limit]]


def _matching(terms: Sequence[str], joined: str) -> ColumnElement[bool]:
    return col(CrmRecord.words).op("@@")(func.to_tsquery("simple", joined.join(terms)))


async def _row(
    session: AsyncSession, reference: str, kind: Kind | None = None, *, alone: bool = False
) -> CrmRecord | None:
    """Return the one row whose id begins with a reference; `alone` keeps other writers waiting."""
    prefix = beginning(reference)
    if prefix is None:
        return None
    first, last = (UUID(prefix.ljust(32, digit)) for digit in "0f")
    statement = select(CrmRecord).where(col(CrmRecord.id).between(first, last)).limit(2)
    if kind is not None:
        statement = statement.where(col(CrmRecord.kind) == kind)
    if alone:
        statement = statement.with_for_update()
    rows = (await session.execute(statement)).scalars().all()
    return rows[0] if len(rows) == 1 else None


async def _stored(session: AsyncSession, values: Mapping[Word, Given]) -> dict[Word, Value]:
    """Return values as they are stored: moments in UTC, and records by their whole ids.

    Raises:
        NotFound: there is no record that a value names.
    """
    stored: dict[Word, Value] = {}
    for word, value in values.items():
        if word in REFERENCES:
            kind = REFERENCES[word]
            other = await _row(session, str(value), kind)
            if other is None:
                raise not_found(kind) if kind else NotFound("There is no such record.")
            stored[word] = other.id.hex
        elif isinstance(value, datetime):
            stored[word] = utc(value)
        else:
            stored[word] = value.isoformat() if isinstance(value, date) else value
    return stored


def _searched(data: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns by which a record is found."""
    title = str(data.get("name") or data.get("subject") or "")
    names = fold(f"{title} {data.get('company', '')}")
    told = (value for word, value in data.items() if word not in REFERENCES)
    others = fold(" ".join(str(value) for value in (*told, *fields.values())))
    phone = data.get("phone")
    weighed = func.setweight(func.to_tsvector("simple", names), literal_column("'A'"))
    return {
        "title": title,
        "phone": phone,
        "phone_digits": significant_digits(str(phone)) if phone else None,
        "email": data.get("email"),
        "words": weighed.op("||")(func.to_tsvector("simple", others)),
    }


def _record(row: CrmRecord, fields: Sequence[str]) -> Record:
    values = {
        word: _reference(UUID(row.data[word])) if word in REFERENCES else row.data[word]
        for word in WORDS[_kind(row)]
        if word in row.data
    }
    own = {name: row.fields[name] for name in fields if name in row.fields}
    return Record(kind=_kind(row), id=_reference(row.id), values=values, fields=own)


def _kind(row: CrmRecord) -> Kind:
    kinds: dict[str, Kind] = {kind: kind for kind in WORDS}
    return kinds[row.kind]


def _reference(record_id: UUID) -> str:
    return record_id.hex[:_REFERENCE]
