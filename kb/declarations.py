"""The `knowledge_bases` section of a declaration: reads the documents and embeds what changed."""

import asyncio
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from pydantic import Discriminator, Field, StringConstraints, Tag, model_validator
from sqlalchemy import select
from sqlmodel import col

from config.columns import now
from config.declarations.schema import DeclarationError, Name
from config.declarations.section import ApplyContext, Change
from config.models import DeclarationModel
from config.text import clean
from kb.chunk import DEFAULT_SIZE
from kb.embed import LOCAL, Embedders, get_embedder
from kb.errors import KnowledgeError, UnreadableDocumentError
from kb.sources.files import read_file, read_files
from kb.sources.source import Source
from kb.store import DocumentVersion, lock_documents
from kb.sync import (
    Recipe,
    changed_sources,
    embed_sources,
    replace_documents,
    split_sources,
)
from kb.tables import KnowledgeBase

DocumentName = Annotated[str, StringConstraints(min_length=1, max_length=200)]
DocumentPath = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
_COLUMNS = ("description", "embedding_model", "chunk_size", "chunk_overlap")


class FileDocument(DeclarationModel):
    """A file with a name of its own."""

    name: DocumentName
    path: DocumentPath


class TextDocument(DeclarationModel):
    """A document that stands in the declaration itself, as Markdown."""

    name: DocumentName
    text: Annotated[str, StringConstraints(min_length=1)]


def _kind(document: object) -> str:
    if isinstance(document, str):
        return "path"
    return "text" if isinstance(document, TextDocument) or _has_text(document) else "file"


def _has_text(document: object) -> bool:
    return isinstance(document, dict) and "text" in document


AnyDocument = Annotated[
    Annotated[DocumentPath, Tag("path")]
    | Annotated[FileDocument, Tag("file")]
    | Annotated[TextDocument, Tag("text")],
    Discriminator(_kind),
]


class KnowledgeBaseDeclaration(DeclarationModel):
    """What a bot knows. A document is a path, such as `docs/*.md`, or has a name of its own."""

    name: Name
    description: Annotated[str, StringConstraints(max_length=1000)] | None = None
    embedding_model: Annotated[str, StringConstraints(min_length=1, max_length=200)] = LOCAL
    chunk_size: Annotated[int, Field(ge=50, le=4000)] = DEFAULT_SIZE
    chunk_overlap: Annotated[int, Field(ge=0)] = 0
    documents: tuple[AnyDocument, ...] = ()

    @model_validator(mode="after")
    def _overlap_is_smaller(self) -> "KnowledgeBaseDeclaration":
        if self.chunk_overlap >= self.chunk_size:
            raise ValueError("chunk_overlap must be smaller than chunk_size")
        return self


class KnowledgeBases:
    """The section `knowledge_bases`.

    Documents that are no longer declared are removed from their knowledge base, because the files
    that they were made from are still there.
    """

    item = KnowledgeBaseDeclaration

    def __init__(self, embedders: Embedders = get_embedder) -> None:
        self._embedders = embedders

    @property
    def after_bots(self) -> bool:
        """Return False: bots name knowledge bases, so these are stored first."""
        return False

    async def apply(self, applying: ApplyContext, items: Sequence[Any]) -> list[Change]:
        """Store each knowledge base and synchronize its documents.

        Raises:
            DeclarationError: a document is missing or cannot be read, or the model fails.
        """
        changes: list[Change] = []
        for item in items:
            declared = KnowledgeBaseDeclaration.model_validate(item)
            base, change = await _store_base(applying, declared)
            changes += [change] if change else []
            changes += await self._sync(applying, base, declared)
        return changes

    async def _sync(
        self, applying: ApplyContext, base: KnowledgeBase, declared: KnowledgeBaseDeclaration
    ) -> list[Change]:
        """Store the documents; they are read, split and embedded outside the transaction."""
        recipe, embedder = Recipe.of(base), self._embedders(base.embedding_model)

        async def read() -> list[Source]:
            with _name_base(declared.name):
                return await asyncio.to_thread(_read_documents, applying.folder, declared.documents)

        async def split_or_embed() -> list[DocumentVersion]:
            with _name_base(declared.name):
                if applying.dry_run:
                    return await split_sources(recipe, changed)
                return await embed_sources(recipe, changed, embedder, progress)

        def progress(line: str) -> None:
            applying.progress(f"{declared.name}: {line}")

        sources = applying.slow_work.result(("documents", declared.name), read)
        stored = await lock_documents(applying.session, base)
        changed = changed_sources(recipe, sources, stored)
        hashes = tuple((version.source.name, version.content_hash) for version in changed)
        versions = applying.slow_work.result(("passages", declared.name, hashes), split_or_embed)
        return await replace_documents(
            applying.session, base, sources, versions, stored, dry_run=applying.dry_run
        )


KNOWLEDGE_BASES = KnowledgeBases()


@contextmanager
def _name_base(name: str) -> Generator[None]:
    """Name the knowledge base in errors."""
    try:
        yield
    except KnowledgeError as error:
        raise DeclarationError(f"knowledge base {name}: {error}") from None


async def _store_base(
    applying: ApplyContext, declared: KnowledgeBaseDeclaration
) -> tuple[KnowledgeBase, Change | None]:
    """Store a knowledge base, and return it with what that changed."""
    what = f"knowledge base {declared.name}"
    columns = declared.model_dump(include=set(_COLUMNS))
    query = select(KnowledgeBase).where(
        col(KnowledgeBase.business_id) == applying.business_id,
        col(KnowledgeBase.name) == declared.name,
    )
    base = await applying.session.scalar(query)
    if base is None:
        base = KnowledgeBase(business_id=applying.business_id, name=declared.name, **columns)
        applying.session.add(base)
        await applying.session.flush()
        return base, Change("add", what)
    differing = [name for name in _COLUMNS if getattr(base, name) != columns[name]]
    if not differing:
        return base, None
    base.sqlmodel_update(columns | {"updated_at": now()})
    await applying.session.flush()
    return base, Change("change", what, ", ".join(differing))


def _read_documents(folder: Path, documents: Sequence[AnyDocument]) -> list[Source]:
    """Read every declared document; paths are relative to `folder`.

    Raises:
        UnreadableDocumentError: one cannot be read, or two have the same name.
    """
    sources: dict[tuple[str, str | None], Source] = {}
    for document in documents:
        for source in _read_document(folder, document):
            sources[source.name, source.path] = source  # two patterns may match one file
    for name, count in Counter(name for name, _ in sources).items():
        if count > 1:
            raise UnreadableDocumentError(name, "two documents have this name")
    return list(sources.values())


def _read_document(folder: Path, document: AnyDocument) -> list[Source]:
    match document:
        case TextDocument():
            return [Source(clean(document.name), document.text.encode())]
        case FileDocument():
            return [read_file(folder, folder / document.path, document.name)]
        case _:
            return read_files(folder, document)
