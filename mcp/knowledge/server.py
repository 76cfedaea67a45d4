"""What a business has written down, searched by meaning."""

import logging
from typing import Annotated, Literal
from uuid import UUID

from fastmcp.tools import tool
from pydantic import BaseModel, Field

from config.text import clean
from kb.chunk import join_chunks
from kb.embed import LOCAL
from kb.errors import EmbeddingError
from kb.retrieve import MAX_PASSAGES, Passage, QueryEmbeddings, retrieve
from kb.store import READY
from knowledge.answer_size import cut, fitting
from knowledge.operations import base_of, document_of, documents_of, passages_of
from toolkit.effects import READS
from toolkit.errors import Invalid, Unavailable
from toolkit.middleware.results import Result
from toolkit.server.build import ServerSpec
from toolkit.tenancy import CALL, ToolCall

_log = logging.getLogger(__name__)

_BRIEF = 1300  # bytes, so that the whole answer stays within 1.5 KB
_FULL = 16_000
_READING = 8.0  # seconds
_questions = QueryEmbeddings()


class FoundPassage(BaseModel):
    """A piece of a document."""

    text: str
    source: str
    score: float


class FoundPassages(Result):
    """What may answer the question, best first."""

    passages: list[FoundPassage]


class ListedDocument(BaseModel):
    """A document, by name. `status` is given where it cannot be searched."""

    name: str
    id: UUID
    status: str | None = None


class ListedDocuments(Result):
    """Documents by name; where there are `more`, go on at `next_offset`."""

    documents: list[ListedDocument]
    more: bool | None = None
    next_offset: int | None = None


class DocumentText(Result):
    """A part of a document; where there is `more`, go on at `next_offset`."""

    document: str
    text: str
    more: bool | None = None
    next_offset: int | None = None


Offset = Annotated[int, Field(ge=0)]


@tool(
    title="Search knowledge",
    annotations=READS,
    tags={"voice"},
    timeout=_READING,
    meta={
        "antiphon": {
            "examples": [
                {
                    "caller": "Hi, is there somewhere to leave a stroller at the museum?",
                    "arguments": {"query": "leave a stroller"},
                },
                {
                    "caller": "And what would two students pay?",
                    "arguments": {"query": "ticket price for students"},
                },
            ]
        }
    },
)
async def search_knowledge(
    query: Annotated[str, Field(max_length=1000, description="The question, in a few words.")],
    top_k: Annotated[int, Field(ge=1, le=MAX_PASSAGES)] = 3,
    call: ToolCall = CALL,
) -> FoundPassages:
    """Look up facts about the business. Answer from the passages only, never from memory."""
    question = clean(query).strip()
    if not question:
        raise Invalid("query is empty.")
    async with call.transaction() as session:
        base = await base_of(session, call)
    try:
        vector = await _questions.vector(base.embedding_model, question)
    except EmbeddingError as error:
        _log.warning("the embedding model failed", extra={"reason": str(error)})
        raise Unavailable("The documents cannot be searched now.") from None
    async with call.transaction() as session:
        passages = await retrieve(session, base, vector, top_k)
    found = list(fitting(map(_found, passages), _BRIEF))
    return FoundPassages(say=None if found else "I could not find that.", passages=found)


def _found(passage: Passage) -> FoundPassage:
    return FoundPassage(
        text=cut(passage.text, _BRIEF // 2),
        source=passage.document,
        score=round(passage.score, 2),
    )


@tool(title="List documents", annotations=READS, timeout=_READING)
async def list_documents(offset: Offset = 0, call: ToolCall = CALL) -> ListedDocuments:
    """List the documents that can be searched."""
    async with call.transaction() as session:
        documents = await documents_of(session, await base_of(session, call))
    rest = [
        ListedDocument(
            name=document.name,
            id=document.id,
            status=None if document.status == READY else document.status,
        )
        for document in documents[offset:]
    ]
    listed = list(fitting(rest, _BRIEF))
    more = len(listed) < len(rest)
    return ListedDocuments(
        documents=listed,
        more=more or None,
        next_offset=offset + len(listed) if more else None,
    )


@tool(title="Read a document", annotations=READS, timeout=_READING)
async def get_document(
    document: Annotated[str, Field(max_length=200, description="Name or id.")],
    offset: Offset = 0,
    detail: Literal["brief", "full"] = "brief",
    call: ToolCall = CALL,
) -> DocumentText:
    """Read a document from its beginning, where a search has not been enough."""
    async with call.transaction() as session:
        base = await base_of(session, call)
        found = await document_of(session, base, clean(document))
        text = join_chunks(await passages_of(session, found), base.chunk_overlap)[offset:]
    part = cut(text, _FULL if detail == "full" else _BRIEF)
    more = len(part) < len(text)
    return DocumentText(
        document=found.name,
        text=part,
        more=more or None,
        next_offset=offset + len(part) if more else None,
    )


async def warm() -> None:
    """Load the local model, so that the first caller does not wait for it."""
    try:
        await _questions.vector(LOCAL, "opening hours")
    except EmbeddingError as error:
        _log.warning("the local embedding model is not available", extra={"reason": str(error)})


SERVER = ServerSpec(
    "knowledge",
    "Facts about the business, from its own documents.",
    (search_knowledge, list_documents, get_document),
    warm_up=warm,
)
