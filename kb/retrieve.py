"""Retrieves the passages that may answer a question, by exact search in one knowledge base."""

from collections import OrderedDict
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import Double, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from kb.embed import Embedders, Vector, get_embedder
from kb.relevance import Background, Question, embed_background
from kb.tables import Chunk, Document, KnowledgeBase

MAX_PASSAGES = 10
_MIN_RELATIVE_SCORE = 0.8  # of the best passage's score
_JUDGED = 3  # passages: one of the nearest has to be near enough
_CACHE_SIZE = 512
_DISTANCE: Double[float] = Double()


@dataclass(frozen=True)
class Passage:
    """A passage of a document; `score` is its cosine similarity to the question."""

    text: str
    document: str
    document_id: UUID
    chunk_index: int
    score: float
    vector: Vector = field(repr=False, compare=False)


async def retrieve(
    session: AsyncSession, base: KnowledgeBase, question: Question, top_k: int = 3
) -> list[Passage]:
    """Return the passages nearest to a question, best first; none if they do not answer it."""
    found = await find_nearest(session, base, question.vector, max(top_k, _JUDGED))
    nearest = [(passage.text, passage.vector) for passage in found[:_JUDGED]]
    return found[:top_k] if question.is_answered_by(nearest) else []


async def find_nearest(
    session: AsyncSession, base: KnowledgeBase, vector: Vector, top_k: int
) -> list[Passage]:
    """Return the passages nearest to `vector`, best first, but none far behind the best."""
    distance = col(Chunk.embedding).op("<=>", return_type=_DISTANCE)(vector)  # of cosines
    query = (
        select(
            col(Chunk.text),
            col(Document.name),
            col(Document.id),
            col(Chunk.chunk_index),
            1 - distance,
            col(Chunk.embedding),
        )
        .join(Document, col(Document.id) == col(Chunk.document_id))
        .join(KnowledgeBase, col(KnowledgeBase.id) == col(Chunk.knowledge_base_id))
        .where(
            col(Chunk.business_id) == base.business_id,
            col(Chunk.knowledge_base_id) == base.id,
            # The vector is of this model, which may have been replaced since.
            col(KnowledgeBase.embedding_model) == base.embedding_model,
        )
        .order_by(distance, col(Document.name), col(Chunk.chunk_index))
        .limit(min(top_k, MAX_PASSAGES))
    )
    found = [Passage(*row) for row in await session.execute(query)]
    least = _MIN_RELATIVE_SCORE * found[0].score if found else 0
    return [passage for passage in found if passage.score > 0 and passage.score >= least]


class Questions:
    """Embeds questions, with a cache: a call repeats the same question."""

    def __init__(self, embedders: Embedders = get_embedder) -> None:
        self._embedders = embedders
        self._vectors: OrderedDict[tuple[str, str], Vector] = OrderedDict()
        self._backgrounds: dict[str, Background] = {}

    async def embed(self, model: str, text: str) -> Question:
        """Return a question with its vector under a model.

        Raises:
            EmbeddingError: the model fails.
        """
        key = (model, " ".join(text.split()))
        vector = await self._vector(key)
        if model not in self._backgrounds:
            self._backgrounds[model] = await embed_background(self._embedders(model))
        return Question(key[1], vector, self._backgrounds[model])

    async def _vector(self, key: tuple[str, str]) -> Vector:
        vector = self._vectors.get(key)
        if vector is None:
            (vector,) = await self._embedders(key[0]).embed_queries([key[1]])
        self._vectors[key] = vector
        self._vectors.move_to_end(key)
        if len(self._vectors) > _CACHE_SIZE:
            self._vectors.popitem(last=False)
        return vector
