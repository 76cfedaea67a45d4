"""Prompts, resources and completions: what a server may have besides tools."""

import base64
import json
from typing import Annotated, Any

from fastmcp import FastMCP
from fastmcp.prompts import Message, PromptResult, prompt
from fastmcp.resources import resource
from fastmcp.server.completions import CompletionReference
from mcp_types import CompletionArgument, CompletionContext, PromptReference
from pydantic import Field

from tests.conformance.input_required import test_input_required_result_prompt
from tests.conformance.samples import PICTURE, PNG, document

_WORDS = ("paris", "park", "party")


@prompt(title="Simple")
async def test_simple_prompt() -> str:
    """Prompt without arguments."""
    return "A simple prompt."


@prompt(title="Arguments")
async def test_prompt_with_arguments(
    arg1: Annotated[str, Field(description="Any word.")],
    arg2: Annotated[str, Field(description="Another one.")],
) -> str:
    """Prompt with two arguments."""
    return f"arg1 is {arg1}, arg2 is {arg2}."


@prompt(title="Resource")
async def test_prompt_with_embedded_resource(
    resourceUri: Annotated[str, Field(description="The resource's URI.")],
) -> PromptResult:
    """Prompt with a resource."""
    return PromptResult(
        [Message(document(resourceUri, "A resource within a prompt.")), Message("Sum it up.")]
    )


@prompt(title="Picture")
async def test_prompt_with_image() -> PromptResult:
    """Prompt with a picture."""
    return PromptResult([Message(PICTURE), Message("What does it show?")])


@resource("test://static-text", title="Text", mime_type="text/plain")
async def static_text() -> str:
    """A text."""
    return "A text that never changes."


@resource("test://static-binary", title="Picture", mime_type="image/png")
async def static_binary() -> bytes:
    """A picture."""
    return base64.b64decode(PNG)


@resource("test://template/{id}/data", title="Record", mime_type="application/json")
async def record(id: str) -> str:
    """The record with this id."""
    return json.dumps({"id": id, "data": f"The record {id}."})


def _complete(
    reference: CompletionReference,
    argument: CompletionArgument,
    _: CompletionContext | None,
) -> list[str]:
    """Complete the first argument of the prompt that has two."""
    known = isinstance(reference, PromptReference) and argument.name == "arg1"
    return [word for word in _WORDS if known and word.startswith(argument.value)]


_PROMPTS = (
    test_simple_prompt,
    test_prompt_with_arguments,
    test_prompt_with_embedded_resource,
    test_prompt_with_image,
    test_input_required_result_prompt,
)
_RESOURCES = (static_text, static_binary, record)


def add_prompts_and_resources(server: FastMCP[Any]) -> None:
    """Add prompts, resources and completions to `server`."""
    for each in _PROMPTS:
        server.add_prompt(each)
    for read in _RESOURCES:
        server.add_resource(read)
    server.completion(_complete)
