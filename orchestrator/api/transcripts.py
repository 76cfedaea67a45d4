"""Asks the transcripts server, which owns every conversation."""

from collections.abc import Mapping
from typing import Any, TypeVar
from uuid import UUID

from pydantic import BaseModel, ValidationError

from orchestrator.api.dependencies import Dependencies
from orchestrator.api.errors import ApiError, failed, not_found
from orchestrator.api.models import Conversation
from orchestrator.mcp_client.router import Identity
from orchestrator.mcp_client.tool import Outcome

A = TypeVar("A", bound=BaseModel)
SERVER = "transcripts"


async def ask(
    dependencies: Dependencies,
    identity: Identity,
    tool: str,
    arguments: Mapping[str, Any],
    answer: type[A],
) -> A:
    """Call a tool with the platform's own rights, whatever the bot itself may use.

    Arguments that are None are left out. All of this server's writes can be repeated.

    Raises:
        ApiError: it failed.
    """
    given = {name: _plain(value) for name, value in arguments.items() if value is not None}
    claims = identity.claims(SERVER, every_tool=True)
    outcome = await dependencies.constellation.call(SERVER, tool, given, claims, retry=True)
    if outcome.error == "not_found":
        raise not_found("conversation, or no such turn in it")
    return understood(outcome, answer)


async def conversation_of(
    dependencies: Dependencies, identity: Identity, conversation_id: UUID
) -> Conversation:
    """Return a conversation that may be seen.

    Raises:
        ApiError: there is none.
    """
    arguments = {"conversation_id": conversation_id}
    return await ask(dependencies, identity, "get_conversation", arguments, Conversation)


def understood(outcome: Outcome, answer: type[A]) -> A:
    """Return what a server answered, in the shape that is promised here.

    Raises:
        ApiError: it failed, or answered something else.
    """
    if outcome.error is not None:
        raise failed(outcome)
    try:
        return answer.model_validate(outcome.data)
    except ValidationError:
        message = "A server answered something unexpected."
        raise ApiError(502, "fault", message) from None


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, UUID) else value
