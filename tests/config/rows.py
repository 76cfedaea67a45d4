"""Every table that the database has, with a row for each of two tenants."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from pgvector.sqlalchemy import Vector
from sqlalchemy import (
    JSON,
    Boolean,
    Connection,
    DateTime,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)
from sqlalchemy import UUID as UUID_TYPE
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection

from config.columns import now
from config.database import Database

_QUEUE = "one worker serves every business: a job names ids, and reads the rest as its business"
NOT_OF_TENANTS = {
    "alembic_version": "the schema's own revision, which the application cannot read",
    "procrastinate_events": _QUEUE,
    "procrastinate_jobs": _QUEUE,
    "procrastinate_periodic_defers": _QUEUE,
    "procrastinate_workers": _QUEUE,
}


@dataclass(frozen=True)
class Schema:
    """Every table of a tenant as the database has it, and one row of each for two tenants."""

    tables: tuple[Table, ...]
    mine: Mapping[str, Mapping[str, Any]]
    theirs: Mapping[str, Mapping[str, Any]]

    @property
    def me(self) -> UUID:
        return UUID(str(self.mine["business"]["id"]))

    @property
    def them(self) -> UUID:
        return UUID(str(self.theirs["business"]["id"]))


def _sample(kind: object) -> Any:
    """Return a value for a column."""
    match kind:
        case UUID_TYPE():
            return uuid4()
        case Text():
            return uuid4().hex
        case DateTime():
            return now()
        case Boolean():
            return True
        case Integer() | Float():
            return 1
        case LargeBinary():
            return uuid4().bytes
        case JSON():
            return {}
        case Vector():
            return [1.0]
        case TSVECTOR():
            return "word"
        case unexpected:
            raise AssertionError(unexpected)


def row_of(table: Table, others: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return a row that refers to the rows already made."""
    row = {column.name: _sample(column.type) for column in table.columns}
    for constraint in table.foreign_key_constraints:
        for element in constraint.elements:
            row[element.parent.name] = others[constraint.referred_table.name][element.column.name]
    return row


def tenant_column(table: Table) -> str:
    return "id" if table.name == "business" else "business_id"


def _reflected(connection: Connection) -> tuple[Table, ...]:
    metadata = MetaData()
    metadata.reflect(connection)
    return tuple(table for table in metadata.sorted_tables if table.name not in NOT_OF_TENANTS)


async def stored(owner: AsyncConnection, database: Database) -> Schema:
    """Store a row of every table for two tenants."""
    tables = await owner.run_sync(_reflected)
    await owner.rollback()
    tenants: list[dict[str, dict[str, Any]]] = [{}, {}]
    for rows in tenants:
        for table in tables:
            rows[table.name] = row_of(table, rows)
        async with database.tenant(rows["business"]["id"]) as session:
            for table in tables:
                await session.execute(table.insert().values(rows[table.name]))
    return Schema(tables, *tenants)


async def app_role(database: Database) -> str:
    async with database.unscoped() as session:
        return str(await session.scalar(text("select current_user")))


async def refusal(database: Database, business_id: UUID, statement: Any) -> str:
    """Return PostgreSQL's code for refusing a statement, or how many rows it changed."""
    try:
        async with database.tenant(business_id) as session:
            result = await session.execute(statement)
            return f"{getattr(result, 'rowcount', '?')} rows"
    except ProgrammingError as error:
        return str(getattr(error.orig, "sqlstate", None))
