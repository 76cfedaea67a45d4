"""Tools that answer with every kind of content, report progress, fail, and need capabilities."""

import asyncio

from fastmcp import Context
from fastmcp.dependencies import CurrentContext
from fastmcp.tools import tool
from mcp.shared.exceptions import MCPError
from mcp_types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    AudioContent,
    ClientCapabilities,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    MissingRequiredClientCapabilityErrorData,
    SamplingCapability,
    TextContent,
)

from tests.conformance.samples import PICTURE, SOUND, document, text
from toolkit.effects import READS
from toolkit.errors import Rejected

_STEP = 0.05  # seconds


@tool(title="Text", annotations=READS)
async def test_simple_text() -> TextContent:
    """Answer with a text."""
    return text("A short text.")


@tool(title="Picture", annotations=READS)
async def test_image_content() -> ImageContent:
    """Answer with a picture."""
    return PICTURE


@tool(title="Sound", annotations=READS)
async def test_audio_content() -> AudioContent:
    """Answer with a sound."""
    return SOUND


@tool(title="Resource", annotations=READS)
async def test_embedded_resource() -> EmbeddedResource:
    """Answer with a resource."""
    return document("test://embedded-resource", "A resource within an answer.")


@tool(title="Mixed content", annotations=READS)
async def test_multiple_content_types() -> list[ContentBlock]:
    """Answer with a text, a picture and a resource."""
    resource = document("test://mixed-content-resource", '{"value":1}', "application/json")
    return [text("A text, a picture and a resource."), PICTURE, resource]


@tool(title="Failure", annotations=READS)
async def test_error_handling() -> TextContent:
    """Fail."""
    raise Rejected("This tool always fails.")


@tool(title="Progress", annotations=READS)
async def test_tool_with_progress(ctx: Context = CurrentContext()) -> TextContent:
    """Report progress three times."""
    for done in (0, 50, 100):
        await ctx.report_progress(done, 100)
        await asyncio.sleep(_STEP)
    return text("Done in three steps.")


@tool(title="Log", annotations=READS)
async def test_logging_tool(ctx: Context = CurrentContext()) -> TextContent:
    """Log a message, which only a request that sets a level is sent."""
    await ctx.info("The tool has run.")
    return text("Logged.")


@tool(title="Missing capability", annotations=READS)
async def test_missing_capability(ctx: Context = CurrentContext()) -> TextContent:
    """Refuse every client that cannot sample."""
    needed = ClientCapabilities(sampling=SamplingCapability())
    if not ctx.session.check_client_capability(needed):
        data = MissingRequiredClientCapabilityErrorData(required_capabilities=needed)
        raise MCPError(
            code=MISSING_REQUIRED_CLIENT_CAPABILITY,
            message="The client cannot sample.",
            data=data.model_dump(mode="json", by_alias=True, exclude_none=True),
        )
    return text("The client can sample.")


TOOLS = (
    test_simple_text,
    test_image_content,
    test_audio_content,
    test_embedded_resource,
    test_multiple_content_types,
    test_error_handling,
    test_tool_with_progress,
    test_logging_tool,
    test_missing_capability,
)
