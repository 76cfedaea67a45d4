"""Tables of the builtin tickets provider."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlmodel import Field

from config.columns import Row, TenantRow, json, timestamp


class TicketOrganization(TenantRow, table=True):
    """A company whose people are users."""

    __table_args__ = (
        UniqueConstraint("business_id", "name"),
        UniqueConstraint("business_id", "id"),
    )
    name: str
    notes: str | None = None


class TicketUser(TenantRow, table=True):
    """A customer or an agent. `phone_digits` are the last digits, which a number is found by."""

    __table_args__ = (
        UniqueConstraint("business_id", "id"),
        UniqueConstraint("business_id", "email"),
        UniqueConstraint("business_id", "idempotency_key"),
        Index("ix_ticket_user_business_id_phone_digits", "business_id", "phone_digits"),
        Index("ix_ticket_user_words", "words", postgresql_using="gin"),
        ForeignKeyConstraint(
            ["business_id", "organization_id"],
            ["ticket_organization.business_id", "ticket_organization.id"],
        ),
    )
    name: str
    email: str | None = None  # in lower case
    phone: str | None = None
    phone_digits: str | None = None
    role: str
    available: bool
    organization_id: UUID | None = None
    words: Any = Field(sa_column=Column(TSVECTOR, nullable=False))
    idempotency_key: str | None = None
    updated_at: datetime = timestamp()


class TicketCounter(Row, table=True):
    """A business's highest ticket number, so that numbers of deleted tickets are not reused."""

    business_id: UUID = Field(primary_key=True)
    last: int = Field(sa_type=BigInteger)


class Ticket(TenantRow, table=True):
    """A ticket, with a column for each of its values.

    `copied` are the ids of users who get copies of it.
    """

    __table_args__ = (
        UniqueConstraint("business_id", "id"),
        UniqueConstraint("business_id", "number"),
        UniqueConstraint("business_id", "idempotency_key"),
        Index("ix_ticket_business_id_updated_at", "business_id", "updated_at"),
        Index("ix_ticket_words", "words", postgresql_using="gin"),
        ForeignKeyConstraint(
            ["business_id", "requester_id"], ["ticket_user.business_id", "ticket_user.id"]
        ),
        ForeignKeyConstraint(
            ["business_id", "assignee_id"], ["ticket_user.business_id", "ticket_user.id"]
        ),
    )
    number: int = Field(sa_type=BigInteger)
    subject: str
    text: str
    status: str
    priority: str | None = None
    type: str | None = None
    requester_id: UUID | None = None
    assignee_id: UUID | None = None
    copied: list[str] = json([])
    tags: list[str] = json([])
    fields: dict[str, Any] = json({})
    merged_into: int | None = Field(default=None, sa_type=BigInteger)
    words: Any = Field(sa_column=Column(TSVECTOR, nullable=False))
    idempotency_key: str | None = None
    updated_at: datetime = timestamp()


class TicketComment(TenantRow, table=True):
    """A comment, written by us, an agent or the customer."""

    __table_args__ = (
        UniqueConstraint("business_id", "idempotency_key"),
        Index("ix_ticket_comment_ticket_id", "ticket_id", "created_at"),
        ForeignKeyConstraint(
            ["business_id", "ticket_id"],
            ["ticket.business_id", "ticket.id"],
            ondelete="CASCADE",
        ),
        ForeignKeyConstraint(
            ["business_id", "author_id"], ["ticket_user.business_id", "ticket_user.id"]
        ),
    )
    ticket_id: UUID
    author_id: UUID | None = None
    written_by: str
    text: str
    public: bool
    idempotency_key: str | None = None


class TicketCall(TenantRow, table=True):
    """A phone call that has been logged."""

    __table_args__ = (
        UniqueConstraint("business_id", "idempotency_key"),
        ForeignKeyConstraint(
            ["business_id", "ticket_id"],
            ["ticket.business_id", "ticket.id"],
            ondelete="CASCADE",
        ),
    )
    ticket_id: UUID | None = None
    phone: str
    direction: str
    started_at: datetime = Field(sa_type=DateTime(timezone=True))
    seconds: int
    summary: str
    idempotency_key: str | None = None
