"""From a question to the passages that may answer it: exact search, inside one knowledge base."""

from collections import OrderedDict
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Double, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from kb.embed import Embedders, Vector, embedder
from kb.tables import Chunk, Document, KnowledgeBase

MAX_PASSAGES = 10
_WORTH_READING = 0.8  # of the best passage's score
_REMEMBERED = 512
_DISTANCE: Double[float] = Double()


@dataclass(frozen=True)
class Passage:
    """A piece of a document, and how near it is to the question."""

    text: str
    document: str
    document_id: UUID
    chunk_index: int
    score: float


async def retrieve(
    session: AsyncSession, base: KnowledgeBase, vector: Vector, top_k: int = 3
) -> list[Passage]:
    """Return the passages nearest to `vector`, best first, without those far behind the best."""
    distance = col(Chunk.embedding).op("<=>", return_type=_DISTANCE)(vector)  # of cosines
    query = (
        select(
            col(Chunk.text),
            col(Document.name),
            col(Document.id),
            col(Chunk.chunk_index),
            1 - distance,
        )
        .join(Document, col(Document.id) == col(Chunk.document_id))
        .join(KnowledgeBase, col(KnowledgeBase.id) == col(Chunk.knowledge_base_id))
        .where(
            col(Chunk.business_id) == base.business_id,
            col(Chunk.knowledge_base_id) == base.id,
            # The vector is this model's: after a switch in between, it would compare nonsense.
            col(KnowledgeBase.embedding_model) == base.embedding_model,
        )
        .order_by(distance, col(Document.name), col(Chunk.chunk_index))
        .limit(min(top_k, MAX_PASSAGES))
    )
    found = [Passage(*row) for row in await session.execute(query)]
    least = _WORTH_READING * found[0].score if found else 0
    return [passage for passage in found if passage.score > 0 and passage.score >= least]


class QueryEmbeddings:
    """Embeds questions, and remembers the last ones: a call asks the same thing repeatedly."""

    def __init__(self, embedders: Embedders = embedder) -> None:
        self._embedders = embedders
        self._vectors: OrderedDict[tuple[str, str], Vector] = OrderedDict()

    async def vector(self, model: str, question: str) -> Vector:
        """Return the vector of a question, to be found by `model`."""
        key = (model, " ".join(question.split()))
        vector = self._vectors.get(key)
        if vector is None:
            vector = await self._embedders(model).query(key[1])
        self._vectors[key] = vector
        self._vectors.move_to_end(key)
        if len(self._vectors) > _REMEMBERED:
            self._vectors.popitem(last=False)
        return vector
