"""Confirmation codes: the caller hears what would be done, agrees, and it is done.

The first call of a tool returns a sentence and a code; the second call carries the code. A code
is bound to business, conversation, tool and arguments, and works once, for two minutes. Our own
servers and the client of external servers share these functions.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from typing import Any

from redis.asyncio import Redis

from config.protocol import CONFIRMATION_CODE, CONFIRMATION_LIFETIME, NEEDS_CONFIRMATION
from config.security.tokens import Claims

_CODE_SCHEMA: Mapping[str, Any] = {
    "type": "string",
    "description": "From the needs_confirmation answer, once the caller has agreed.",
}
NEEDS_CONFIRMATION_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "status": {"const": NEEDS_CONFIRMATION},
        "say": {"type": "string"},
        CONFIRMATION_CODE: {"type": "string"},
    },
    "required": ["status", "say", CONFIRMATION_CODE],
}


def add_code_argument(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tool's JSON Schema with the argument that carries the code."""
    properties = {**parameters.get("properties", {}), CONFIRMATION_CODE: _CODE_SCHEMA}
    return {**parameters, "properties": properties}


def binding(claims: Claims, tool: str, arguments: Mapping[str, Any]) -> str:
    """Return the digest that a code is bound to; `arguments` do not include the code."""
    parts = [str(claims.business_id), str(claims.conversation_id), tool, dict(arguments)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


async def issue_code(cache: Redis, bound_to: str) -> str:
    """Store a new code for a binding and return it.

    Raises:
        RedisError: the cache does not answer.
    """
    code = secrets.token_urlsafe(12)
    await cache.set(_cache_key(code), bound_to, ex=CONFIRMATION_LIFETIME)
    return code


async def redeem_code(cache: Redis, code: str, bound_to: str) -> bool:
    """Use a code up, and say whether it was issued for this binding.

    Raises:
        RedisError: the cache does not answer.
    """
    return bool(await cache.getdel(_cache_key(code)) == bound_to)


def needs_confirmation(say: str, code: str) -> dict[str, Any]:
    """Return the structured result that asks the caller to agree to `say`."""
    return {"status": NEEDS_CONFIRMATION, "say": say, CONFIRMATION_CODE: code}


def _cache_key(code: str) -> str:
    return f"confirm:{code}"
