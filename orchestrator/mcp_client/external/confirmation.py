"""Asks for confirmation before a tool of an external server is called, where the bot requires it.

An external server knows nothing of our confirmations, so the first call does not reach it: it is
answered with what would be done and a code. The second call carries the code (see
`config.confirmation`).
"""

import json
from collections.abc import Mapping
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from config.confirmation import (
    add_code_argument,
    binding,
    issue_code,
    needs_confirmation,
    redeem_code,
)
from config.protocol import CONFIRMATION_CODE
from config.security.tokens import Claims
from orchestrator.mcp_client.tool import Outcome, ToolInfo, unreachable_outcome
from orchestrator.sentences import join, say

_MAX_VALUES = 5  # that are read back
_MAX_VALUE_LENGTH = 60  # characters


def add_code_parameter(tool: ToolInfo) -> ToolInfo:
    """Return a copy of the tool with the argument that carries the code."""
    return tool.model_copy(update={"parameters": add_code_argument(tool.parameters)})


async def require_confirmation(
    cache: Redis, tool: ToolInfo, arguments: Mapping[str, Any], claims: Claims
) -> Outcome | None:
    """Return the outcome that asks for confirmation; None if `arguments` hold a valid code."""
    code = arguments.get(CONFIRMATION_CODE)
    unconfirmed = {name: value for name, value in arguments.items() if name != CONFIRMATION_CODE}
    bound_to = binding(claims, tool.name, unconfirmed)
    try:
        if code is not None and await redeem_code(cache, str(code), bound_to):
            return None
        new_code = await issue_code(cache, bound_to)
    except RedisError:
        return unreachable_outcome("The confirmation could not be kept.", 0)
    question = _read_back(tool, unconfirmed)
    data = needs_confirmation(question, new_code)
    return Outcome(json.dumps(data, ensure_ascii=False), data, question)


def _read_back(tool: ToolInfo, arguments: Mapping[str, Any]) -> str:
    values = [str(value) for value in arguments.values() if isinstance(value, str | int | float)]
    short = [each for each in values if len(each) <= _MAX_VALUE_LENGTH][:_MAX_VALUES]
    act = tool.tool.replace("_", " ")
    return say("read_back", act=act, values=join("next_value", short), count=len(short))
