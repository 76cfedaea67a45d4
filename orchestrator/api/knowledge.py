"""Passages of a bot's documents."""

from config.protocol import READ_BUDGET
from orchestrator.api.credentials import KeyCaller
from orchestrator.api.dependencies import ApiDependencies
from orchestrator.api.identities import resolve_identity
from orchestrator.api.routing import ApiRouter
from orchestrator.api.schemas import Passages, Retrieve
from orchestrator.api.transcripts import parse_outcome
from orchestrator.sentences import in_language

SERVER, TOOL = "knowledge", "search_knowledge"

router = ApiRouter()


@router.post("/api/rag/retrieve")
async def retrieve(body: Retrieve, caller: KeyCaller, dependencies: ApiDependencies) -> Passages:
    """Find the passages of a bot's documents that may answer a question."""
    identity, language = await resolve_identity(
        dependencies, caller, bot=body.bot, conversation_id=body.conversation_id
    )
    arguments = {"query": body.query, "top_k": body.top_k}
    claims = identity.claims(SERVER, every_tool=True)
    with in_language(language):
        outcome = await dependencies.router.call(
            SERVER, TOOL, arguments, claims, budget=READ_BUDGET, retry=True
        )
    return parse_outcome(outcome, Passages)
