"""Keeps a knowledge base in line with its sources: only what changed is embedded again."""

import asyncio
import hashlib
from collections.abc import Callable, Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from config.declarations.section import Change
from kb.chunk import chunks
from kb.embed import Embedder
from kb.extract import Source, extract
from kb.retrieve import MAX_PASSAGES, retrieve
from kb.store import READY, Version, locked_documents, replace
from kb.tables import Document, KnowledgeBase

_HANDED_IN = ("file", "text")  # documents of other source types are not `sync`'s to remove
_CHUNKING = 1  # raised when chunking changes, so that every document is chunked anew
_CHECK_LENGTH = 200  # characters


async def sync(
    session: AsyncSession,
    base: KnowledgeBase,
    sources: Sequence[Source],
    embedder: Embedder,
    *,
    dry_run: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> list[Change]:
    """Make `sources` the documents of `base`, in the caller's transaction.

    Everything that is slow or can fail comes before the first row is written. A reader sees the
    old documents or the new ones, never a mix.

    Raises:
        KnowledgeError: a document cannot be read, or the model does not answer.
    """
    stored = await locked_documents(session, base)
    versions: list[Version] = []
    for source in sources:
        content_hash = _digest(base, source)
        if _is_current(stored.get(source.name), content_hash):
            continue
        passages = await asyncio.to_thread(_passages, base, source)
        if not dry_run:
            progress(f"{base.name}: {source.name}: {len(passages)} passages")
        vectors = [] if dry_run else await embedder.passages(passages)
        versions.append(Version(source, content_hash, passages, vectors))

    names = {source.name for source in sources}
    gone = [
        document
        for document in stored.values()
        if document.name not in names and document.source_type in _HANDED_IN
    ]
    failed: set[str] = set()
    if not dry_run:
        for document in gone:
            await session.delete(document)
        documents = [
            await replace(session, base, stored.get(version.source.name), version)
            for version in versions
        ]
        for document, version in zip(documents, versions, strict=True):
            if await _is_found(session, base, document, version.passages[0], embedder):
                document.status = READY
            else:
                failed.add(document.name)
    return [
        *(_change(base, version, stored, failed) for version in versions),
        *(Change("remove", _named(base, document.name)) for document in gone),
    ]


def _is_current(stored: Document | None, content_hash: str) -> bool:
    return stored is not None and stored.status == READY and stored.content_hash == content_hash


def _digest(base: KnowledgeBase, source: Source) -> str:
    """Return what differs whenever the document's passages or vectors would."""
    recipe = (
        _CHUNKING,
        source.mime_type,
        base.embedding_model,
        base.chunk_size,
        base.chunk_overlap,
    )
    return hashlib.sha256(f"{recipe}\n".encode() + source.data).hexdigest()


def _passages(base: KnowledgeBase, source: Source) -> list[str]:
    return chunks(extract(source), source.mime_type, base.chunk_size, base.chunk_overlap)


async def _is_found(
    session: AsyncSession,
    base: KnowledgeBase,
    document: Document,
    passage: str,
    embedder: Embedder,
) -> bool:
    """Ask for a document by its own beginning; copies of the same passage count as it."""
    vector = await embedder.query(passage[:_CHECK_LENGTH])
    found = await retrieve(session, base, vector, MAX_PASSAGES)
    return any(hit.document_id == document.id or hit.text == passage for hit in found)


def _named(base: KnowledgeBase, document: str) -> str:
    return f"document {document} of knowledge base {base.name}"


def _change(
    base: KnowledgeBase, version: Version, stored: dict[str, Document], failed: set[str]
) -> Change:
    name = version.source.name
    detail = f"{len(version.passages)} passages"
    if name in failed:
        detail += ", which a search does not find"
    return Change("change" if name in stored else "add", _named(base, name), detail)
