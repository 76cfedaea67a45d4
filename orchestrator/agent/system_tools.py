"""What the model of a call can choose beside its servers' tools, and how a tool looks to it."""

from collections.abc import Sequence
from typing import Any

from config.bots import Bot
from orchestrator.agent.agreement import CODE
from orchestrator.mcp_client.tool import ToolInfo

CONFIRM = "confirm"
END = "end_conversation"
EXAMPLES = "x-examples"

Schema = dict[str, Any]


def seen_by_model(card: ToolInfo) -> Schema:
    """Return a server's tool as the model may see it: without the code, with its examples."""
    # Copied as deep as it is changed: a call does this for each of its tools before it greets.
    parameters = dict(card.parameters)
    if CODE in parameters.get("properties", {}):
        parameters["properties"] = {k: v for k, v in parameters["properties"].items() if k != CODE}
    if card.examples:
        parameters[EXAMPLES] = [dict(example) for example in card.examples]
    return {"name": card.name, "description": card.description, "parameters": parameters}


def own_tools(bot: Bot, cards: Sequence[ToolInfo]) -> list[Schema]:
    """Return the agent's own tools: agreeing where something is confirmed, and hanging up."""
    schemas: list[Schema] = []
    if any(bot.policy(card.server, card.tool).confirm for card in cards):
        before = "Read back: Friday at noon for two tickets. Shall I reserve them?"
        example: Schema = {"before": before, "caller": "Yes, please do.", "arguments": {}}
        schemas.append(_schema(CONFIRM, "The caller said yes to what was read back", example))
    if END in bot.system_tools:
        goodbye: Schema = {"caller": "That was all, bye.", "arguments": {}}
        schemas.append(_schema(END, "Hang up after the caller's goodbye", goodbye))
    return schemas


def without_examples(schema: Schema) -> Schema:
    """Return a tool's schema without the examples that only a small model needs."""
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
