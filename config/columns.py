"""Column types that every owner of tables shares."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import DateTime, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel


def now() -> datetime:
    """Return this moment, aware."""
    return datetime.now(UTC)


def moment(*, nullable: bool = False) -> Any:
    """Return a `timestamptz` column; the database fills it in where it may not be null."""
    default = {} if nullable else {"server_default": text("now()")}
    kwargs = {"sa_type": DateTime(timezone=True), "sa_column_kwargs": default}
    return Field(default=None, **kwargs) if nullable else Field(default_factory=now, **kwargs)


def json(default: Any) -> Any:
    """Return a `jsonb` column that starts as a copy of `default`."""
    return Field(default_factory=lambda: type(default)(default), sa_type=JSONB, nullable=False)


class TenantRow(SQLModel):
    """A row that belongs to a business: row-level security looks at `business_id`."""

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    business_id: UUID
    created_at: datetime = moment()
