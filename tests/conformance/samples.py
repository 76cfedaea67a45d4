"""The smallest picture, sound and text that a result can hold."""

from mcp_types import (
    AudioContent,
    EmbeddedResource,
    ImageContent,
    TextContent,
    TextResourceContents,
)

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mNgAAAAAgAB5Sfe/AAAAABJRU5ErkJggg=="
_WAV = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQIAAACAgA=="

PICTURE = ImageContent(data=PNG, mime_type="image/png")
SOUND = AudioContent(data=_WAV, mime_type="audio/wav")


def text(said: str) -> TextContent:
    """Return `said` as content."""
    return TextContent(text=said)


def document(uri: str, body: str, mime_type: str = "text/plain") -> EmbeddedResource:
    """Return a resource that comes with the answer."""
    return EmbeddedResource(resource=TextResourceContents(uri=uri, mime_type=mime_type, text=body))
