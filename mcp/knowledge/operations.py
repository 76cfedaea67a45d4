"""Which knowledge base a call is about, and its documents."""

from uuid import UUID

from sqlalchemy import Select, Text, cast, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from config.tables import AgentConfig
from kb.tables import Chunk, Document, KnowledgeBase
from toolkit.errors import NotFound
from toolkit.tenancy import ToolCall


async def base_of(session: AsyncSession, call: ToolCall) -> KnowledgeBase:
    """Return the knowledge base that the grant names, else the bot's, else the only one.

    Raises:
        NotFound: there is none, or without a bot there are several.
    """
    query = select(KnowledgeBase).where(
        col(KnowledgeBase.business_id) == call.business_id, col(KnowledgeBase.is_active).is_(True)
    )
    claims = call.claims
    if claims.grant.integration is not None:
        query = query.where(col(KnowledgeBase.name) == claims.grant.integration)
    elif claims.bot_id is not None:
        query = query.where(
            col(KnowledgeBase.id).in_(_base_of_bot(call.business_id, claims.bot_id))
        )
    bases = (await session.scalars(query.limit(2))).all()
    if len(bases) != 1:
        raise NotFound(
            "There is no knowledge base for this.",
            say="I could not find that.",
            next="Do not search again. Offer a follow-up.",
        )
    return bases[0]


def _base_of_bot(business_id: UUID, bot_id: UUID) -> Select[UUID | None]:
    return select(col(AgentConfig.knowledge_base_id)).where(
        col(AgentConfig.business_id) == business_id, col(AgentConfig.id) == bot_id
    )


async def documents_of(session: AsyncSession, base: KnowledgeBase) -> list[Document]:
    """Return the documents of a knowledge base, by name."""
    query = (
        select(Document)
        .where(
            col(Document.business_id) == base.business_id,
            col(Document.knowledge_base_id) == base.id,
        )
        .order_by(col(Document.name))
    )
    return list(await session.scalars(query))


async def document_of(session: AsyncSession, base: KnowledgeBase, name_or_id: str) -> Document:
    """Return one document of a knowledge base.

    Raises:
        NotFound: it has no such document, whoever else may have it.
    """
    query = select(Document).where(
        col(Document.business_id) == base.business_id,
        col(Document.knowledge_base_id) == base.id,
        or_(col(Document.name) == name_or_id, cast(col(Document.id), Text) == name_or_id),
    )
    document = (await session.scalars(query)).first()
    if document is None:
        raise NotFound("There is no such document.")
    return document


async def passages_of(session: AsyncSession, document: Document) -> list[str]:
    """Return the passages of a document, in order."""
    query = (
        select(col(Chunk.text))
        .where(
            col(Chunk.business_id) == document.business_id,
            col(Chunk.document_id) == document.id,
        )
        .order_by(col(Chunk.chunk_index))
    )
    return list(await session.scalars(query))
