"""Texts that a person cannot see do not reach a tool, also from JSON that was sent as a text."""

import json
from typing import Any

from fastmcp import Client, FastMCP
from fastmcp.tools import Tool

from toolkit.middleware.arguments import CleanArguments

HIDDEN = "\x00\u200b\u202e\u2066\ufeff\U000e0041"


async def test_invisible_characters_are_taken_out_of_every_argument() -> None:
    seen: list[Any] = []

    async def note(text: str, fields: dict[str, Any], count: int) -> str:
        seen.append((text, fields, count))
        return "ok"

    tool = Tool.from_function(note)
    server: FastMCP[Any] = FastMCP("any", tools=[tool], middleware=[CleanArguments({"note": tool})])
    fields = {"a": f"x{HIDDEN}y", "b": [f"{HIDDEN}z"], "c": 1}
    async with Client(server) as client:
        text = f"To{HIDDEN}m"
        await client.call_tool("note", {"text": text, "fields": fields, "count": 3})
        sent = {"text": text, "fields": json.dumps(fields), "count": "3"}
        await client.call_tool("note", sent)
        await client.call_tool("note", {"text": "क्\u200dष", "fields": {}, "count": 1})
    assert seen == [
        ("Tom", {"a": "xy", "b": ["z"], "c": 1}, 3),
        ("Tom", {"a": "xy", "b": ["z"], "c": 1}, 3),
        ("क्\u200dष", {}, 1),  # a joiner that Hindi spells with
    ]
