"""Finds the knowledge base of a tool call, its documents, and the passages near a question."""

import logging
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Select, Text, cast, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from config.tables import AgentConfig
from kb.embed import LOCAL
from kb.errors import EmbeddingError
from kb.retrieve import Passage, Questions, retrieve
from kb.tables import Chunk, Document, KnowledgeBase
from knowledge.sentences import say
from toolkit.errors import Disconnected, NotFound, Unavailable
from toolkit.tenancy import ToolCall

_log = logging.getLogger(__name__)
_questions = Questions()


async def find_knowledge_base(session: AsyncSession, call: ToolCall) -> KnowledgeBase:
    """Return the knowledge base that the grant names, else the bot's, else the tenant's only one.

    Raises:
        Disconnected: there is none of the name that the grant has.
        NotFound: there is none, or the token has no bot and the tenant several.
    """
    query = select(KnowledgeBase).where(
        col(KnowledgeBase.business_id) == call.business_id, col(KnowledgeBase.is_active).is_(True)
    )
    claims = call.claims
    if claims.grant.integration is not None:
        query = query.where(col(KnowledgeBase.name) == claims.grant.integration)
    elif claims.bot_id is not None:
        query = query.where(
            col(KnowledgeBase.id).in_(_base_id_of_bot(call.business_id, claims.bot_id))
        )
    bases = (await session.scalars(query.limit(2))).all()
    if not bases and claims.grant.integration is not None:
        raise Disconnected("The knowledge base that this is connected to is not there.")
    if len(bases) != 1:
        raise NotFound(
            "There is no knowledge base for this.",
            say=say("not_found"),
            next="Do not search again. Offer a follow-up.",
        )
    return bases[0]


async def knowledge_base_names(session: AsyncSession) -> Sequence[str]:
    """Return the names of the tenant's knowledge bases."""
    query = select(col(KnowledgeBase.name)).order_by(col(KnowledgeBase.name))
    return (await session.scalars(query)).all()


def _base_id_of_bot(business_id: UUID, bot_id: UUID) -> Select[UUID | None]:
    return select(col(AgentConfig.knowledge_base_id)).where(
        col(AgentConfig.business_id) == business_id, col(AgentConfig.id) == bot_id
    )


async def load_documents(session: AsyncSession, base: KnowledgeBase) -> list[Document]:
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


async def load_document(session: AsyncSession, base: KnowledgeBase, name_or_id: str) -> Document:
    """Return one document of a knowledge base.

    Raises:
        NotFound: this knowledge base has no such document.
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


async def load_passages(session: AsyncSession, document: Document) -> list[str]:
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


async def search_passages(call: ToolCall, text: str, top_k: int) -> Sequence[Passage]:
    """Return the passages of the call's knowledge base that may answer a question.

    Raises:
        NotFound: there is no knowledge base.
        Unavailable: the embedding model failed.
    """
    # No transaction is open while the model works.
    async with call.transaction() as session:
        base = await find_knowledge_base(session, call)
    try:
        question = await _questions.embed(base.embedding_model, text)
    except EmbeddingError as error:
        _log.warning("the embedding model failed", extra={"reason": str(error)})
        raise Unavailable("The documents cannot be searched now.") from None
    async with call.transaction() as session:
        return await retrieve(session, base, question, top_k)


async def warm_up() -> None:
    """Load the local embedding model, so that the first caller does not wait for it."""
    try:
        await _questions.embed(LOCAL, "opening hours")
    except EmbeddingError as error:
        _log.warning("the local embedding model is not available", extra={"reason": str(error)})
