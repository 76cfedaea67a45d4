"""Calls the transcripts server, which stores every conversation."""

from collections.abc import Mapping
from typing import Any, TypeVar
from uuid import UUID

from pydantic import BaseModel, ValidationError

from config.protocol import call_budget
from orchestrator.api.dependencies import Dependencies
from orchestrator.api.errors import not_found, tool_failure, unexpected_answer
from orchestrator.api.schemas import Conversation
from orchestrator.mcp_client.router import Identity
from orchestrator.mcp_client.tool import Outcome

M = TypeVar("M", bound=BaseModel)
SERVER = "transcripts"


async def call_transcripts(
    dependencies: Dependencies,
    identity: Identity,
    tool: str,
    arguments: Mapping[str, Any],
    model: type[M],
    *,
    reads: bool = False,
) -> M:
    """Call a tool with the platform's own rights, whatever the bot itself may use.

    Arguments that are None are left out. All of this server's writes can be repeated. A tool that
    `reads` is given up after the shorter budget of reads.

    Raises:
        ApiError: it failed.
    """
    sent = {name: _to_json(value) for name, value in arguments.items() if value is not None}
    claims = identity.claims(SERVER, every_tool=True)
    outcome = await dependencies.router.call(
        SERVER, tool, sent, claims, budget=call_budget(reads=reads), retry=True
    )
    if outcome.error == "not_found":
        raise not_found("conversation, or no such turn in it")
    return parse_outcome(outcome, model)


async def fetch_conversation(
    dependencies: Dependencies, identity: Identity, conversation_id: UUID
) -> Conversation:
    """Return a conversation that this identity may see.

    Raises:
        ApiError: there is none.
    """
    arguments = {"conversation_id": conversation_id}
    return await call_transcripts(
        dependencies, identity, "get_conversation", arguments, Conversation, reads=True
    )


def parse_outcome(outcome: Outcome, model: type[M]) -> M:
    """Return a tool's answer as a model of this API.

    Raises:
        ApiError: the tool failed, or answered something else.
    """
    if outcome.error is not None:
        raise tool_failure(outcome)
    try:
        return model.model_validate(outcome.data)
    except ValidationError:
        raise unexpected_answer() from None


def _to_json(value: Any) -> Any:
    return str(value) if isinstance(value, UUID) else value
