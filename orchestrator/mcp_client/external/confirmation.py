"""Two steps before a tool of somebody else's server does anything, where the bot wants that.

Such a server knows nothing of our confirmations, so the first call does not reach it: the answer
says what would be done, with a code; the second call carries the code. The code is bound to
business, conversation, tool and arguments, works once, for two minutes.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from config.security.tokens import Claims
from orchestrator.mcp_client.tool import Outcome, ToolInfo, unreachable

CODE = "confirmation_code"
_LIFETIME = 120  # seconds
_MOST_READ_BACK = 5
_LONGEST_READ_BACK = 60  # characters
_CODE_SCHEMA = {
    "type": "string",
    "description": "From the needs_confirmation answer, once the caller has agreed.",
}


def with_code(card: ToolInfo) -> ToolInfo:
    """Return the tool with the argument that carries the code."""
    properties = {**card.parameters.get("properties", {}), CODE: _CODE_SCHEMA}
    return card.model_copy(update={"parameters": {**card.parameters, "properties": properties}})


async def unconfirmed(
    cache: Redis, card: ToolInfo, arguments: Mapping[str, Any], claims: Claims
) -> Outcome | None:
    """Return the answer that asks for agreement; None where the code shows that it was given."""
    given = {name: value for name, value in arguments.items() if name != CODE}
    bound_to = _binding(card, given, claims)
    try:
        code = arguments.get(CODE)
        if code is not None and await cache.getdel(f"confirm:{code}") == bound_to:
            return None
        new = secrets.token_urlsafe(12)
        await cache.set(f"confirm:{new}", bound_to, ex=_LIFETIME)
    except RedisError:
        return unreachable("The confirmation could not be kept.", 0)
    say = _read_back(card, given)
    data = {"status": "needs_confirmation", "say": say, CODE: new}
    return Outcome(json.dumps(data, ensure_ascii=False), data, say)


def _read_back(card: ToolInfo, given: Mapping[str, Any]) -> str:
    values = [str(value) for value in given.values() if isinstance(value, str | int | float)]
    short = [each for each in values if len(each) <= _LONGEST_READ_BACK][:_MOST_READ_BACK]
    what = card.tool.replace("_", " ")
    return f"I would now {what}{': ' if short else ''}{', '.join(short)}. Shall I?"


def _binding(card: ToolInfo, given: Mapping[str, Any], claims: Claims) -> str:
    parts = [str(claims.business_id), str(claims.conversation_id), card.name, dict(given)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
