"""A document before its text has been extracted."""

from dataclasses import dataclass, field

PLAIN = "text/plain"
MARKDOWN = "text/markdown"


@dataclass(frozen=True)
class Source:
    """A document as it was handed in; `path` is relative to the declaration's folder."""

    name: str
    data: bytes = field(repr=False)
    mime_type: str = MARKDOWN
    source_type: str = "text"
    path: str | None = None
