"""The tools for the business's documents."""

from fastmcp.tools import tool

from config.text import clean
from kb.chunk import join_chunks
from kb.retrieve import Passage
from kb.store import READY
from kb.tables import Document
from knowledge.inputs import Detail, DocumentKey, Offset, Query, TopK
from knowledge.operations import (
    find_knowledge_base,
    load_document,
    load_documents,
    load_passages,
    search_passages,
)
from knowledge.results import (
    BRIEF,
    FULL,
    DocumentListResult,
    DocumentResult,
    DocumentView,
    PassageView,
    SearchResult,
    take_fitting,
    truncate,
)
from knowledge.sentences import say
from toolkit.effects import READS
from toolkit.errors import Invalid
from toolkit.tenancy import CALL, ToolCall

_TIMEOUT = 8.0  # seconds


@tool(
    title="Search knowledge",
    annotations=READS,
    tags={"voice"},
    timeout=_TIMEOUT,
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
async def search_knowledge(query: Query, top_k: TopK = 3, call: ToolCall = CALL) -> SearchResult:
    """Look up facts about the business. Answer from the passages only, never from memory."""
    question = clean(query).strip()
    if not question:
        raise Invalid("query is empty.")
    found = await search_passages(call, question, top_k)
    passages = list(take_fitting(map(_to_passage_view, found), BRIEF))
    return SearchResult(say=None if passages else say("not_found"), passages=passages)


@tool(title="List documents", annotations=READS, timeout=_TIMEOUT)
async def list_documents(offset: Offset = 0, call: ToolCall = CALL) -> DocumentListResult:
    """List the documents that can be searched."""
    async with call.transaction() as session:
        documents = await load_documents(session, await find_knowledge_base(session, call))
    rest = [_to_document_view(document) for document in documents[offset:]]
    page = list(take_fitting(rest, BRIEF))
    more = len(page) < len(rest)
    return DocumentListResult(
        documents=page,
        more=more or None,
        next_offset=offset + len(page) if more else None,
    )


@tool(title="Read a document", annotations=READS, timeout=_TIMEOUT)
async def get_document(
    document: DocumentKey,
    offset: Offset = 0,
    detail: Detail = "brief",
    call: ToolCall = CALL,
) -> DocumentResult:
    """Read a document from its beginning, where a search has not been enough."""
    async with call.transaction() as session:
        base = await find_knowledge_base(session, call)
        found = await load_document(session, base, clean(document))
        text = join_chunks(await load_passages(session, found), base.chunk_overlap)[offset:]
    part = truncate(text, FULL if detail == "full" else BRIEF)
    more = len(part) < len(text)
    return DocumentResult(
        document=found.name,
        text=part,
        more=more or None,
        next_offset=offset + len(part) if more else None,
    )


def _to_passage_view(passage: Passage) -> PassageView:
    return PassageView(
        text=truncate(passage.text, BRIEF // 2),
        source=passage.document,
        score=round(passage.score, 2),
    )


def _to_document_view(document: Document) -> DocumentView:
    status = None if document.status == READY else document.status
    return DocumentView(name=document.name, id=document.id, status=status)
