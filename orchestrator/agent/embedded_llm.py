"""The small language model of this machine, which chooses tools but is not left to word results.

It needs more than others: which tools and handles are valid now, as a grammar, and time to read
its prompt before the caller has spoken.
"""

import copy
import logging
from collections.abc import Callable
from typing import Any

from livekit.agents.llm import ChatContext, Tool
from openai import APIError as ModelError

from orchestrator.agent.lite_llm import Json, LiteLLM
from orchestrator.agent.model_choice import LLMSpec
from orchestrator.agent.toolset import ToolChoices

logger = logging.getLogger("antiphon.model")


class EmbeddedLLM(LiteLLM):
    """The embedded model. `choices` returns what it may choose at a point of the conversation.

    `conversation` is a key of the conversation: the model remembers what it has read of it.
    """

    def __init__(
        self, spec: LLMSpec, choices: Callable[[ChatContext], ToolChoices], conversation: str | None
    ) -> None:
        super().__init__(spec)
        self._choices = choices
        self._conversation = conversation

    def tool_options(self, schemas: list[Json], chat_ctx: ChatContext) -> Json:
        """Return the options of a request that tell the model of its tools."""
        choices = self._choices(chat_ctx)
        allowed = [
            {"type": "function", "function": {"name": schema["function"]["name"]}}
            for schema in schemas
            if schema["function"]["name"] in choices.tools
        ]
        # litellm's own check refuses this choice, so it goes in the body. All tools stay listed,
        # so that the prompt's beginning stays cached.
        choice: Any = {
            "type": "allowed_tools",
            "allowed_tools": {"mode": "auto", "tools": allowed},
        }
        return {
            "temperature": 0,
            "tools": [_with_values(schema, choices) for schema in schemas],
            "extra_body": {
                "tool_choice": choice if allowed else "none",
                "prompt_cache_key": self._conversation,
            },
        }

    async def warm(self, chat_ctx: ChatContext, tools: list[Tool]) -> None:
        """Have the model read the conversation so far into its cache, while there is time."""
        try:
            await self.request(chat_ctx, tools, stream=False, max_tokens=1)
        except ModelError as error:
            logger.info("warming failed", extra={"error": type(error).__name__})


def _with_values(schema: Json, choices: ToolChoices) -> Json:
    """Return a tool's schema with the handles that are valid now."""
    result = copy.deepcopy(schema)
    properties = result["function"]["parameters"].get("properties", {})
    for argument, values in choices.values.get(result["function"]["name"], {}).items():
        if argument in properties and values:
            properties[argument] = properties[argument] | {"enum": list(values)}
    return result
