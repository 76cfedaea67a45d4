"""From a document's bytes to its text."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath

from config.text import clean
from kb.errors import UnreadableDocumentError

MAX_BYTES = 2_000_000
PLAIN = "text/plain"
MARKDOWN = "text/markdown"
_TYPES: Mapping[str, str] = {".txt": PLAIN, ".md": MARKDOWN, ".markdown": MARKDOWN}
_ENCODINGS = ("utf-8-sig", "cp1252", "latin-1")  # the last one accepts every byte
_CONTROL_BYTES = bytes(byte for byte in range(32) if byte not in b"\t\n\v\f\r\x1a")
_FRONT_MATTER = "---\n"


@dataclass(frozen=True)
class Source:
    """A document as it was handed in."""

    name: str
    data: bytes = field(repr=False)
    mime_type: str = MARKDOWN
    source_type: str = "text"
    path: str | None = None


def mime_type(path: PurePath) -> str:
    """Return what a file is, by its name.

    Raises:
        UnreadableDocumentError: it is none of the types that can be read.
    """
    try:
        return _TYPES[path.suffix.lower()]
    except KeyError:
        known = ", ".join(_TYPES)
        raise UnreadableDocumentError(path.name, f"only {known} can be read") from None


def extract(source: Source) -> str:
    """Return the text of a document, cleaned.

    Raises:
        UnreadableDocumentError: it is too large, binary or empty.
    """
    if len(source.data) > MAX_BYTES:
        limit = f"{MAX_BYTES // 1_000_000} MB"
        raise UnreadableDocumentError(source.name, f"is larger than {limit}; split it")
    if source.data.translate(None, _CONTROL_BYTES) != source.data:
        raise UnreadableDocumentError(source.name, "is binary, not text in UTF-8")
    text = clean(_decoded(source.data))
    if source.mime_type == MARKDOWN:
        text = _without_front_matter(text)
    if not text.strip():
        raise UnreadableDocumentError(source.name, "has no text")
    return text


def _decoded(data: bytes) -> str:
    for encoding in _ENCODINGS[:-1]:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode(_ENCODINGS[-1])


def _without_front_matter(text: str) -> str:
    if not text.startswith(_FRONT_MATTER):
        return text
    _, end, body = f"{text}\n".partition("\n---\n")
    return body if end else text
