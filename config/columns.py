"""Column types and base classes of tables."""

import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import DateTime, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import declared_attr
from sqlmodel import Field, SQLModel


def now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


def timestamp() -> Any:
    """Return a `timestamptz` column that defaults to the current time."""
    return Field(
        default_factory=now,
        sa_type=DateTime(timezone=True),
        sa_column_kwargs={"server_default": text("now()")},
    )


def optional_timestamp() -> Any:
    """Return a `timestamptz` column that may be null."""
    return Field(default=None, sa_type=DateTime(timezone=True))


def json(default: Any) -> Any:
    """Return a `jsonb` column that starts as a copy of `default`."""
    return Field(default_factory=lambda: type(default)(default), sa_type=JSONB, nullable=False)


def optional_json() -> Any:
    """Return a `jsonb` column that may be null, which is not the JSON value null."""
    return Field(default=None, sa_type=JSONB(none_as_null=True), nullable=True)


class Row(SQLModel):
    """A row of the table that is named like its class, in snake case."""

    # SQLModel declares it as an attribute, SQLAlchemy documents the directive for names.
    @declared_attr.directive
    def __tablename__(cls) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Return `agent_config` for `AgentConfig`."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__).lower()


class TenantRow(Row):
    """A row that belongs to a business; row-level security compares `business_id`."""

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    business_id: UUID
    created_at: datetime = timestamp()
