"""The builtin CRM, which stores a tenant's records in PostgreSQL."""

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
from crm.inputs import record_not_found
from crm.provider import (
    STANDARD_FIELDS,
    CustomFields,
    InputValues,
    Kind,
    Page,
    Query,
    Record,
    SearchQuery,
    StandardField,
    Value,
)
from crm.providers.builtin.filters import (
    REFERENCES,
    build_condition,
    filters_by_phone,
    has_number,
    id_prefix,
    sort_order,
)
from crm.providers.builtin.tables import CrmRecord
from toolkit.errors import NotFound
from toolkit.speech.people import fold, is_similar, significant_digits, similar_prefixes, similarity
from toolkit.speech.times import format_utc
from toolkit.tenancy import Credentials, ToolCall

_SHORT_ID = 12  # characters of an id: enough to be unique within a tenant, in few tokens
_MAX_SIMILAR = 1000  # records with a similar name, which are ranked
_MAX_WORD = 50  # letters of a word in a search: PostgreSQL refuses very long ones
_PREFIX_LENGTH = 2  # letters at the beginning of a name, which are rarely misheard


class Builtin:
    """The records of one tenant."""

    credentials: ClassVar[type[Credentials]] = Credentials
    unsupported: ClassVar[Mapping[str, str]] = {
        "raw_query": "Its records are asked for with `query`; there is no language of its own."
    }

    def __init__(self, account: Account, call: ToolCall) -> None:
        self._call = call

    async def check(self) -> None:
        """Verify that the records can be read."""
        async with self._call.transaction() as session:
            await session.execute(select(col(CrmRecord.id)).limit(1))

    async def get(self, kind: Kind, record_id: str, fields: Sequence[str] = ()) -> Record | None:
        """Return a record by its id, of which the first eight characters are enough, or None."""
        async with self._call.transaction() as session:
            row = await _row(session, record_id, kind)
        return _record(row, fields) if row else None

    async def create(self, kind: Kind, values: InputValues, fields: CustomFields) -> str:
        """Create a record, unless one has the call's idempotency key, and return its id."""
        custom = {name: value for name, value in fields.items() if value is not None}
        async with self._call.transaction() as session:
            data = await _to_data(session, values)
            row = {
                "id": uuid4(),
                "business_id": self._call.business_id,
                "kind": kind,
                "data": data,
                "fields": custom,
                "idempotency_key": self._call.idempotency_key,
                **_search_columns(data, custom),
            }
            created = insert(CrmRecord).values(row)
            # An update that changes nothing, so that the existing row is returned.
            unchanged = {"idempotency_key": created.excluded.idempotency_key}
            statement = created.on_conflict_do_update(
                index_elements=["business_id", "idempotency_key"], set_=unchanged
            ).returning(col(CrmRecord.id))
            return _short_id((await session.execute(statement)).scalar_one())

    async def find_lost_create(self, kind: Kind, values: InputValues) -> str | None:
        """Return the id of the record with this call's idempotency key."""
        key = self._call.idempotency_key
        if key is None:
            return None
        statement = select(col(CrmRecord.id)).where(col(CrmRecord.idempotency_key) == key)
        async with self._call.transaction() as session:
            record_id = (await session.execute(statement)).scalar()
        return _short_id(record_id) if record_id else None

    async def update(
        self, kind: Kind, record_id: str, values: InputValues, fields: CustomFields
    ) -> None:
        """Set the given fields of a record."""
        async with self._call.transaction() as session:
            row = await _row(session, record_id, kind, for_update=True)
            if row is None:
                raise record_not_found(kind)
            row.data = {**row.data, **await _to_data(session, values)}
            custom = {**row.fields, **fields}
            row.fields = {name: value for name, value in custom.items() if value is not None}
            for name, value in _search_columns(row.data, row.fields).items():
                setattr(row, name, value)
            row.updated_at = now()

    async def query(self, query: Query) -> Page:
        """Return the records that satisfy a query."""
        statement = (
            select(CrmRecord)
            .where(
                col(CrmRecord.kind) == query.kind,
                *(build_condition(query.kind, each) for each in query.filters),
            )
            .order_by(*sort_order(query))
            .limit(_MAX_SIMILAR if filters_by_phone(query) else query.limit + 1)
        )
        async with self._call.transaction() as session:
            found = (await session.execute(statement)).scalars().all()
        rows = [row for row in found if has_number(query, row.phone or "")]
        records = tuple(_record(row, query.fields) for row in rows[: query.limit])
        return Page(records=records, more=len(rows) > query.limit)

    async def search(self, query: SearchQuery, kinds: Sequence[Kind], limit: int) -> list[Record]:
        """Return candidates by number, by address, by words, or by names that sound alike."""
        of_kinds = col(CrmRecord.kind).in_(kinds)
        async with self._call.transaction() as session:
            if query.phone:
                rows = await _newest(session, limit, of_kinds, _has_phone(query.phone))
            elif query.email:
                address = func.lower(col(CrmRecord.email)) == query.email.lower()
                rows = await _newest(session, limit, of_kinds, address)
            else:
                rows = await _by_words(session, query.text, of_kinds, limit)
        return [_record(row, ()) for row in rows]


def _has_phone(phone: str) -> ColumnElement[bool]:
    return col(CrmRecord.phone_digits) == significant_digits(phone)


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
    words = [word[:_MAX_WORD] for word in fold(text).split()]
    if not words:
        return []
    ids = await _ids_by_name(session, text, words, of_kinds, limit)
    named = await _newest(session, limit, col(CrmRecord.id).in_(ids))
    named.sort(key=lambda row: ids.index(row.id))
    has_words = _matches([f"{word}:*" for word in words], " & ")
    others = await _newest(session, limit, of_kinds, has_words)
    return [*named, *(row for row in others if row.id not in ids)][:limit]


async def _ids_by_name(
    session: AsyncSession,
    text: str,
    words: Sequence[str],
    of_kinds: ColumnElement[bool],
    limit: int,
) -> list[UUID]:
    """Return the ids of the records whose names sound like a text, the most similar first."""
    company = col(CrmRecord.data)["company"].astext
    prefixes = [f"{prefix}:*A" for prefix in similar_prefixes(words, _PREFIX_LENGTH)]
    statement = (
        select(col(CrmRecord.id), col(CrmRecord.title), company)
        .where(of_kinds, _matches(prefixes, " | "))
        .order_by(_matches(prefixes, " & ").desc(), col(CrmRecord.created_at).desc())
        .limit(_MAX_SIMILAR)
    )
    ranked: list[tuple[float, UUID]] = []
    for record_id, title, of_company in await session.execute(statement):
        names = [name for name in (title, of_company) if name]
        if any(is_similar(text, name) for name in names):
            ranked.append((max(similarity(text, name) for name in names), record_id))
    ranked.sort(key=lambda each: -each[0])
    return [record_id for _, record_id in ranked[:limit]]


def _matches(terms: Sequence[str], operator: str) -> ColumnElement[bool]:
    return col(CrmRecord.words).op("@@")(func.to_tsquery("simple", operator.join(terms)))


async def _row(
    session: AsyncSession, text: str, kind: Kind | None = None, *, for_update: bool = False
) -> CrmRecord | None:
    """Return the row whose id begins with a text; None if there is none, or more than one.

    `for_update` locks the row until the transaction ends.
    """
    prefix = id_prefix(text)
    if prefix is None:
        return None
    first, last = (UUID(prefix.ljust(32, digit)) for digit in "0f")
    statement = select(CrmRecord).where(col(CrmRecord.id).between(first, last)).limit(2)
    if kind is not None:
        statement = statement.where(col(CrmRecord.kind) == kind)
    if for_update:
        statement = statement.with_for_update()
    rows = (await session.execute(statement)).scalars().all()
    return rows[0] if len(rows) == 1 else None


async def _to_data(session: AsyncSession, values: InputValues) -> dict[StandardField, Value]:
    """Return values as they are stored: times in UTC, and references as full ids.

    Raises:
        NotFound: a reference names no record.
    """
    data: dict[StandardField, Value] = {}
    for field, value in values.items():
        if field in REFERENCES:
            kind = REFERENCES[field]
            other = await _row(session, str(value), kind)
            if other is None:
                raise record_not_found(kind) if kind else NotFound("There is no such record.")
            data[field] = other.id.hex
        elif isinstance(value, datetime):
            data[field] = format_utc(value)
        else:
            data[field] = value.isoformat() if isinstance(value, date) else value
    return data


def _search_columns(data: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns that are derived for searches."""
    title = str(data.get("name") or data.get("subject") or "")
    names = fold(f"{title} {data.get('company', '')}")
    texts = (value for field, value in data.items() if field not in REFERENCES)
    others = fold(" ".join(str(value) for value in (*texts, *fields.values())))
    phone = data.get("phone")
    weighted = func.setweight(func.to_tsvector("simple", names), literal_column("'A'"))
    return {
        "title": title,
        "phone": phone,
        "phone_digits": significant_digits(str(phone)) if phone else None,
        "email": data.get("email"),
        "words": weighted.op("||")(func.to_tsvector("simple", others)),
    }


def _record(row: CrmRecord, fields: Sequence[str]) -> Record:
    values = {
        field: _short_id(UUID(row.data[field])) if field in REFERENCES else row.data[field]
        for field in STANDARD_FIELDS[_kind(row)]
        if field in row.data
    }
    custom = {name: row.fields[name] for name in fields if name in row.fields}
    return Record(kind=_kind(row), id=_short_id(row.id), values=values, fields=custom)


def _kind(row: CrmRecord) -> Kind:
    kinds: dict[str, Kind] = {kind: kind for kind in STANDARD_FIELDS}
    return kinds[row.kind]


def _short_id(record_id: UUID) -> str:
    return record_id.hex[:_SHORT_ID]
