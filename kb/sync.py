"""Synchronizes a knowledge base with its sources; only what changed is embedded again."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncSession

from config.declarations.section import Change
from kb.chunk import split_text
from kb.embed import Embedder
from kb.extract import extract
from kb.retrieve import MAX_PASSAGES, find_nearest
from kb.sources.source import Source
from kb.store import READY, DocumentVersion, replace_document
from kb.tables import Document, KnowledgeBase

_OWN_SOURCE_TYPES = ("file", "text")  # `sync` does not remove documents of other types
_CHUNKING_VERSION = 2  # raised when passages change, so that every document is split again
_CHECK_LENGTH = 200  # characters


@dataclass(frozen=True)
class Recipe:
    """What determines a document's passages and vectors, beside its text."""

    embedding_model: str
    chunk_size: int
    chunk_overlap: int

    @classmethod
    def of(cls, base: KnowledgeBase) -> "Recipe":
        """Return the recipe of a knowledge base."""
        return cls(base.embedding_model, base.chunk_size, base.chunk_overlap)

    def content_hash(self, source: Source) -> str:
        """Return a hash of everything that determines the document's passages and vectors."""
        recipe = (
            _CHUNKING_VERSION,
            source.mime_type,
            self.embedding_model,
            self.chunk_size,
            self.chunk_overlap,
        )
        return hashlib.sha256(f"{recipe}\n".encode() + source.data).hexdigest()


def changed_sources(
    recipe: Recipe, sources: Sequence[Source], stored: Mapping[str, Document]
) -> list[DocumentVersion]:
    """Return versions, yet without passages, of the sources that differ from what is stored."""
    versions = [DocumentVersion(source, recipe.content_hash(source)) for source in sources]
    return [
        version
        for version in versions
        if not _is_current(stored.get(version.source.name), version.content_hash)
    ]


async def split_sources(
    recipe: Recipe, versions: Sequence[DocumentVersion]
) -> list[DocumentVersion]:
    """Return the versions with their passages, without vectors.

    Raises:
        KnowledgeError: a document cannot be read.
    """
    return [
        replace(version, passages=await asyncio.to_thread(_passages, recipe, version.source))
        for version in versions
    ]


async def embed_sources(
    recipe: Recipe,
    versions: Sequence[DocumentVersion],
    embedder: Embedder,
    progress: Callable[[str], None] = lambda _: None,
) -> list[DocumentVersion]:
    """Return the versions with their passages, and the vectors of these.

    Raises:
        KnowledgeError: a document cannot be read, or the embedding model does not respond.
    """
    embedded: list[DocumentVersion] = []
    for each in versions:
        (version,) = await split_sources(recipe, [each])
        progress(f"{each.source.name}: {len(version.passages)} passages")
        vectors = await embedder.embed_passages(version.passages)
        beginning = version.passages[0][:_CHECK_LENGTH]
        (question,) = await embedder.embed_queries([beginning])
        embedded.append(replace(version, vectors=vectors, question=question))
    return embedded


async def replace_documents(
    session: AsyncSession,
    base: KnowledgeBase,
    sources: Sequence[Source],
    versions: Sequence[DocumentVersion],
    stored: Mapping[str, Document],
    *,
    dry_run: bool = False,
) -> list[Change]:
    """Make `sources` the documents of `base`, in the caller's transaction.

    `versions` are those of the changed sources, and `stored` the locked documents. Readers see
    the old documents or the new ones, never a mix.
    """
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
        unfindable = await _store(session, base, versions, stored)
    return [
        *(_change(base, version, stored, unfindable) for version in versions),
        *(Change("remove", _describe_document(base, document.name)) for document in removed),
    ]


async def _store(
    session: AsyncSession,
    base: KnowledgeBase,
    versions: Sequence[DocumentVersion],
    stored: Mapping[str, Document],
) -> set[str]:
    """Store the versions, and return the names of those that a search does not find."""
    documents = [
        await replace_document(session, base, stored.get(version.source.name), version)
        for version in versions
    ]
    unfindable: set[str] = set()
    for document, version in zip(documents, versions, strict=True):
        if await _is_found(session, base, document, version):
            document.status = READY
        else:
            unfindable.add(document.name)
    return unfindable


def _is_current(stored: Document | None, content_hash: str) -> bool:
    return stored is not None and stored.status == READY and stored.content_hash == content_hash


def _passages(recipe: Recipe, source: Source) -> list[str]:
    return split_text(extract(source), source.mime_type, recipe.chunk_size, recipe.chunk_overlap)


async def _is_found(
    session: AsyncSession, base: KnowledgeBase, document: Document, version: DocumentVersion
) -> bool:
    """Say whether the beginning of a document finds it, or a copy of the same passage."""
    found = await find_nearest(session, base, version.question, MAX_PASSAGES)
    beginning = version.passages[0]
    return any(hit.document_id == document.id or hit.text == beginning for hit in found)


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
