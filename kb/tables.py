"""Tables of knowledge bases."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pgvector.sqlalchemy import Vector
from sqlalchemy import ForeignKeyConstraint, UniqueConstraint
from sqlmodel import Field

from config.columns import TenantRow, optional_timestamp, timestamp


class KnowledgeBase(TenantRow, table=True):
    """A knowledge base of a business, with its embedding model and chunking."""

    __table_args__ = (
        UniqueConstraint("business_id", "name"),
        UniqueConstraint("business_id", "id"),
    )
    name: str
    description: str | None = None
    embedding_model: str
    chunk_size: int
    chunk_overlap: int
    is_active: bool = True
    updated_at: datetime = timestamp()


class Document(TenantRow, table=True):
    """A document of a knowledge base; `content_hash` also covers how it was embedded."""

    __table_args__ = (
        UniqueConstraint("knowledge_base_id", "name"),
        UniqueConstraint("business_id", "id"),
        ForeignKeyConstraint(
            ["business_id", "knowledge_base_id"],
            ["knowledge_base.business_id", "knowledge_base.id"],
            ondelete="CASCADE",
        ),
    )
    knowledge_base_id: UUID
    source_type: str
    name: str
    file_path: str | None = None
    mime_type: str
    file_size: int
    content_hash: str
    status: str
    last_synced_at: datetime | None = optional_timestamp()
    updated_at: datetime = timestamp()


class Chunk(TenantRow, table=True):
    """A passage of a document, with its vector."""

    __table_args__ = (
        UniqueConstraint("document_id", "chunk_index"),
        ForeignKeyConstraint(
            ["business_id", "document_id"],
            ["document.business_id", "document.id"],
            ondelete="CASCADE",
        ),
    )
    document_id: UUID
    knowledge_base_id: UUID = Field(index=True)
    chunk_index: int
    text: str
    char_count: int
    embedding: Any = Field(sa_type=Vector)
