"""The table of the builtin CRM."""

from datetime import datetime
from typing import Any

from sqlalchemy import Column, Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlmodel import Field

from config.columns import TenantRow, json, timestamp


class CrmRecord(TenantRow, table=True):
    """A record of any kind: `data` holds its standard fields, `fields` its custom fields.

    `title`, `phone`, `phone_digits`, `email` and `words` are derived from them for searches.
    """

    __table_args__ = (
        UniqueConstraint("business_id", "idempotency_key"),
        Index("ix_crm_record_business_id_kind", "business_id", "kind", "created_at"),
        Index("ix_crm_record_business_id_phone_digits", "business_id", "phone_digits"),
        Index("ix_crm_record_words", "words", postgresql_using="gin"),
    )
    kind: str
    title: str
    phone: str | None = None
    phone_digits: str | None = None
    email: str | None = None
    data: dict[str, Any] = json({})
    fields: dict[str, Any] = json({})
    words: Any = Field(sa_column=Column(TSVECTOR, nullable=False))
    idempotency_key: str | None = None
    updated_at: datetime = timestamp()
