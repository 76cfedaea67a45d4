"""Writes documents and their passages: each version whole, in its caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from config.columns import now
from kb.embed import Vector
from kb.extract import Source
from kb.tables import Chunk, Document, KnowledgeBase

READY = "ready"
FAILED = "failed"


@dataclass(frozen=True)
class Version:
    """A document as it is to be found from now on."""

    source: Source
    content_hash: str
    passages: Sequence[str]
    vectors: Sequence[Vector]


async def locked_documents(session: AsyncSession, base: KnowledgeBase) -> dict[str, Document]:
    """Return the documents by name; nobody else changes them before this transaction ends."""
    mine = col(KnowledgeBase.business_id) == base.business_id, col(KnowledgeBase.id) == base.id
    await session.execute(select(col(KnowledgeBase.id)).where(*mine).with_for_update())
    query = select(Document).where(
        col(Document.business_id) == base.business_id, col(Document.knowledge_base_id) == base.id
    )
    return {document.name: document for document in await session.scalars(query)}


async def replace(
    session: AsyncSession, base: KnowledgeBase, stored: Document | None, version: Version
) -> Document:
    """Put `version` in the place of the stored document, with a status that awaits its check."""
    source = version.source
    columns: dict[str, Any] = {
        "source_type": source.source_type,
        "file_path": source.path,
        "mime_type": source.mime_type,
        "file_size": len(source.data),
        "content_hash": version.content_hash,
        "status": FAILED,
        "last_synced_at": now(),
        "updated_at": now(),
    }
    mine: dict[str, Any] = {"business_id": base.business_id, "knowledge_base_id": base.id}
    if stored is None:
        document = Document(**mine, name=source.name, **columns)
        session.add(document)
    else:
        document = stored.sqlmodel_update(columns)
        await session.execute(
            delete(Chunk).where(
                col(Chunk.business_id) == base.business_id, col(Chunk.document_id) == document.id
            )
        )
    await session.flush()
    session.add_all(
        Chunk(
            **mine,
            document_id=document.id,
            chunk_index=index,
            text=text,
            char_count=len(text),
            embedding=vector,
        )
        for index, (text, vector) in enumerate(zip(version.passages, version.vectors, strict=True))
    )
    await session.flush()
    return document
