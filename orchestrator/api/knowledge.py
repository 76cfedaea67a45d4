"""Passages of a bot's documents."""

from orchestrator.api.identities import meant
from orchestrator.api.models import Passages, Retrieve
from orchestrator.api.operations import Ask, Operation
from orchestrator.api.transcripts import understood
from orchestrator.mcp_client.router import READ_BUDGET

SERVER, TOOL = "knowledge", "search_knowledge"


async def retrieve(ask: Ask[Retrieve]) -> Passages:
    """Find the passages of a bot's documents that may answer a question."""
    given, dependencies = ask.given, ask.dependencies
    identity = await meant(
        dependencies, ask.known, bot=given.bot, conversation_id=given.conversation_id
    )
    arguments = {"query": given.query, "top_k": given.top_k}
    claims = identity.claims(SERVER, every_tool=True)
    outcome = await dependencies.constellation.call(
        SERVER, TOOL, arguments, claims, budget=READ_BUDGET, retry=True
    )
    return understood(outcome, Passages)


OPERATIONS = (Operation("POST", "/api/rag/retrieve", retrieve, Retrieve, Passages),)
