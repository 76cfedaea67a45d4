"""Synchronizes a knowledge base with its sources; only what changed is embedded again."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from config.declarations.section import Change
from kb.chunk import split_text
from kb.embed import Embedder
from kb.extract import extract
from kb.retrieve import MAX_PASSAGES, find_nearest
from kb.sources.source import Source
from kb.store import READY, DocumentVersion, lock_documents, replace_document
from kb.tables import Document, KnowledgeBase

_OWN_SOURCE_TYPES = ("file", "text")  # `sync` does not remove documents of other types
_CHUNKING_VERSION = 2  # raised when passages change, so that every document is split again
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

    Everything that is slow or can fail is done before the first row is written. Readers see the
    old documents or the new ones, never a mix.

    Raises:
        KnowledgeError: a document cannot be read, or the embedding model does not respond.
    """
    stored = await lock_documents(session, base)
    versions = await _embed_changed(base, sources, stored, embedder, dry_run, progress)
    names = {source.name for source in sources}
    removed = [
        document
        for document in stored.values()
        if document.name not in names and document.source_type in _OWN_SOURCE_TYPES
    ]
    unfindable: set[str] = set()
    if not dry_run:
        for document in removed:
            await session.delete(document)
        unfindable = await _store(session, base, versions, stored, embedder)
    return [
        *(_change(base, version, stored, unfindable) for version in versions),
        *(Change("remove", _describe_document(base, document.name)) for document in removed),
    ]


async def _embed_changed(
    base: KnowledgeBase,
    sources: Sequence[Source],
    stored: Mapping[str, Document],
    embedder: Embedder,
    dry_run: bool,
    progress: Callable[[str], None],
) -> list[DocumentVersion]:
    """Return a version of each source that is new or has changed; a dry run embeds nothing."""
    versions: list[DocumentVersion] = []
    for source in sources:
        content_hash = _content_hash(base, source)
        if _is_current(stored.get(source.name), content_hash):
            continue
        passages = await asyncio.to_thread(_passages, base, source)
        if not dry_run:
            progress(f"{base.name}: {source.name}: {len(passages)} passages")
        vectors = [] if dry_run else await embedder.embed_passages(passages)
        versions.append(DocumentVersion(source, content_hash, passages, vectors))
    return versions


async def _store(
    session: AsyncSession,
    base: KnowledgeBase,
    versions: Sequence[DocumentVersion],
    stored: Mapping[str, Document],
    embedder: Embedder,
) -> set[str]:
    """Store the versions, and return the names of those that a search does not find."""
    documents = [
        await replace_document(session, base, stored.get(version.source.name), version)
        for version in versions
    ]
    unfindable: set[str] = set()
    for document, version in zip(documents, versions, strict=True):
        if await _is_found(session, base, document, version.passages[0], embedder):
            document.status = READY
        else:
            unfindable.add(document.name)
    return unfindable


def _is_current(stored: Document | None, content_hash: str) -> bool:
    return stored is not None and stored.status == READY and stored.content_hash == content_hash


def _content_hash(base: KnowledgeBase, source: Source) -> str:
    """Return a hash of everything that determines the document's passages and vectors."""
    recipe = (
        _CHUNKING_VERSION,
        source.mime_type,
        base.embedding_model,
        base.chunk_size,
        base.chunk_overlap,
    )
    return hashlib.sha256(f"{recipe}\n".encode() + source.data).hexdigest()


def _passages(base: KnowledgeBase, source: Source) -> list[str]:
    return split_text(extract(source), source.mime_type, base.chunk_size, base.chunk_overlap)


async def _is_found(
    session: AsyncSession,
    base: KnowledgeBase,
    document: Document,
    passage: str,
    embedder: Embedder,
) -> bool:
    """Say whether the beginning of a document finds it, or a copy of the same passage."""
    (vector,) = await embedder.embed_queries([passage[:_CHECK_LENGTH]])
    found = await find_nearest(session, base, vector, MAX_PASSAGES)
    return any(hit.document_id == document.id or hit.text == passage for hit in found)


def _describe_document(base: KnowledgeBase, document: str) -> str:
    return f"document {document} of knowledge base {base.name}"


def _change(
    base: KnowledgeBase,
    version: DocumentVersion,
    stored: Mapping[str, Document],
    unfindable: set[str],
) -> Change:
    name = version.source.name
    detail = f"{len(version.passages)} passages"
    if name in unfindable:
        detail += ", which a search does not find"
    return Change("change" if name in stored else "add", _describe_document(base, name), detail)
