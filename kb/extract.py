"""Extracts the text of a document."""

import re
from collections.abc import Sequence

from config.text import clean
from kb.errors import UnreadableDocumentError
from kb.sources.source import MARKDOWN, Source

MAX_BYTES = 2_000_000
_ENCODINGS = ("utf-8-sig", "cp1252", "latin-1")  # the last one accepts every byte
_CONTROL_BYTES = bytes(byte for byte in range(32) if byte not in b"\t\n\v\f\r\x1a")
_FRONT_MATTER = "---\n"
_KEY = re.compile(r"([A-Za-z][\w-]*):(?:\s|$)")
# What generators of web sites read. Other keys, such as `Address`, are a document's own text.
_METADATA_KEYS = frozenset(
    [
        *("title", "date", "updated", "author", "authors", "layout", "template", "type", "id"),
        *("slug", "permalink", "url", "aliases", "tags", "categories", "keywords", "draft"),
        *("published", "lang", "weight", "order", "sidebar_position", "description"),
    ]
)


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
    """Return the text below the front matter; a ruler at the beginning is none."""
    if not text.startswith(_FRONT_MATTER):
        return text
    head, end, body = f"{text}\n".removeprefix(_FRONT_MATTER).partition("\n---\n")
    return body if end and _is_metadata(head.split("\n")) else text


def _is_metadata(lines: Sequence[str]) -> bool:
    """Say whether lines are keys with their values, one of which only a program wants to know."""
    keys = [match[1].lower() for line in lines if (match := _KEY.match(line))]
    others = [line for line in lines if not _KEY.match(line)]
    nested = all(re.match(r"\s|- |#|$", line) for line in others)
    return nested and any(key in _METADATA_KEYS for key in keys)
