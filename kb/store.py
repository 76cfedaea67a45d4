"""Stores documents with their passages, in the caller's transaction."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from config.columns import now
from kb.embed import Vector
from kb.sources.source import Source
from kb.tables import Chunk, Document, KnowledgeBase

READY = "ready"
FAILED = "failed"


@dataclass(frozen=True)
class DocumentVersion:
    """A new version of a document: its passages, and their vectors in the same order.

    `question` is the vector of a search for its beginning, by which it has to be found.
    """

    source: Source
    content_hash: str
    passages: Sequence[str] = ()
    vectors: Sequence[Vector] = ()
    question: Vector = field(default_factory=Vector)


async def lock_documents(session: AsyncSession, base: KnowledgeBase) -> dict[str, Document]:
    """Return the documents by name, locked until the transaction ends."""
    mine = col(KnowledgeBase.business_id) == base.business_id, col(KnowledgeBase.id) == base.id
    await session.execute(select(col(KnowledgeBase.id)).where(*mine).with_for_update())
    query = select(Document).where(
        col(Document.business_id) == base.business_id, col(Document.knowledge_base_id) == base.id
    )
    return {document.name: document for document in await session.scalars(query)}


async def replace_document(
    session: AsyncSession, base: KnowledgeBase, stored: Document | None, version: DocumentVersion
) -> Document:
    """Replace the stored document by `version`.

    Its status is FAILED until the caller has checked that a search finds it.
    """
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
    session.add_all(_chunks(mine, document, version))
    await session.flush()
    return document


def _chunks(
    owner: Mapping[str, Any], document: Document, version: DocumentVersion
) -> Iterator[Chunk]:
    passages = zip(version.passages, version.vectors, strict=True)
    for index, (text, vector) in enumerate(passages):
        yield Chunk(
            **owner,
            document_id=document.id,
            chunk_index=index,
            text=text,
            char_count=len(text),
            embedding=vector,
        )
