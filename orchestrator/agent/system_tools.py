"""The agent's own tools, and the schemas that the model of a call sees of all its tools."""

from collections.abc import Sequence
from typing import Any

from config.bots import Bot
from config.protocol import CONFIRMATION_CODE
from orchestrator.mcp_client.reserved_names import CONFIRM, END_CONVERSATION
from orchestrator.mcp_client.tool import ToolInfo

EXAMPLES = "x-examples"

Schema = dict[str, Any]


def model_schema(tool: ToolInfo) -> Schema:
    """Return a server's tool as the model sees it: without the confirmation's code, with examples.

    It is for the embedded model; for others, `without_examples` takes the examples out.
    """
    # Copied only as deep as it is changed: a call does this for each tool before it greets.
    parameters = dict(tool.parameters)
    if CONFIRMATION_CODE in parameters.get("properties", {}):
        parameters["properties"] = {
            k: v for k, v in parameters["properties"].items() if k != CONFIRMATION_CODE
        }
    if tool.examples:
        parameters[EXAMPLES] = [dict(example) for example in tool.examples]
    return {"name": tool.name, "description": tool.description, "parameters": parameters}


def model_schemas(bot: Bot, tools: Sequence[ToolInfo]) -> list[Schema]:
    """Return all tools as the model of a call sees them: the servers', then the agent's own."""
    return [*map(model_schema, tools), *system_tool_schemas(bot, tools)]


def system_tool_schemas(bot: Bot, tools: Sequence[ToolInfo]) -> list[Schema]:
    """Return the agent's own tools: `confirm` where a tool is confirmed, and `end_conversation`."""
    schemas: list[Schema] = []
    if any(bot.policy(tool.server, tool.tool).confirm for tool in tools):
        before = "Read back: Friday at noon for two tickets. Shall I reserve them?"
        example: Schema = {"before": before, "caller": "Yes, please do.", "arguments": {}}
        schemas.append(_schema(CONFIRM, "The caller said yes to what was read back", example))
    if END_CONVERSATION in bot.system_tools:
        goodbye: Schema = {"caller": "That was all, bye.", "arguments": {}}
        schemas.append(_schema(END_CONVERSATION, "Hang up after the caller's goodbye", goodbye))
    return schemas


def without_examples(schema: Schema) -> Schema:
    """Return a tool's schema without the examples, which only the embedded model needs."""
    parameters = {k: v for k, v in schema["parameters"].items() if k != EXAMPLES}
    return {**schema, "parameters": parameters}


def _schema(name: str, description: str, example: Schema) -> Schema:
    parameters: Schema = {
        "type": "object",
        "properties": {},
        "additionalProperties": False,
        EXAMPLES: [example],
    }
    return {"name": name, "description": description, "parameters": parameters}
