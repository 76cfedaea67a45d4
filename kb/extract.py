"""Extracts the text of a document."""

from config.text import clean
from kb.errors import UnreadableDocumentError
from kb.sources.source import MARKDOWN, Source

MAX_BYTES = 2_000_000
_ENCODINGS = ("utf-8-sig", "cp1252", "latin-1")  # the last one accepts every byte
_CONTROL_BYTES = bytes(byte for byte in range(32) if byte not in b"\t\n\v\f\r\x1a")
_FRONT_MATTER = "---\n"


def extract(source: Source) -> str:
    """Return the text of a document, without invisible characters and front matter.

    Raises:
        UnreadableDocumentError: it is too large, binary or empty.
    """
    if len(source.data) > MAX_BYTES:
        limit = f"{MAX_BYTES // 1_000_000} MB"
        raise UnreadableDocumentError(source.name, f"is larger than {limit}; split it")
    if source.data.translate(None, _CONTROL_BYTES) != source.data:
        raise UnreadableDocumentError(source.name, "is binary, not text in UTF-8")
    text = clean(_decode(source.data))
    if source.mime_type == MARKDOWN:
        text = _without_front_matter(text)
    if not text.strip():
        raise UnreadableDocumentError(source.name, "has no text")
    return text


def _decode(data: bytes) -> str:
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
