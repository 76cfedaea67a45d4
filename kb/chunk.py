"""Splits a document's text into passages.

Short passages are found best: in an ordinary list of questions and answers, one of 300 characters
is about one subject (`benchmarks/retrieval.py`).
"""

from collections.abc import Iterator, Sequence

from semantic_text_splitter import MarkdownSplitter, TextSplitter

from kb.sources.source import MARKDOWN

DEFAULT_SIZE = 300  # characters
# The splitter's time grows with the square of a line's length.
_MAX_LINE = 5_000


def split_text(text: str, mime_type: str, size: int, overlap: int) -> list[str]:
    """Split `text` between sections or sentences into passages of at most `size` characters."""
    splitter = MarkdownSplitter if mime_type == MARKDOWN else TextSplitter
    lines = "\n".join(piece for line in text.split("\n") for piece in _split_line(line))
    return [chunk for chunk in splitter(size, overlap).chunks(lines) if chunk.strip()]


def join_chunks(passages: Sequence[str], overlap: int) -> str:
    """Return the text of consecutive passages, without the parts that overlap."""
    text = ""
    for passage in passages:
        shared = _overlap_length(text, passage, overlap)
        text += passage[shared:] if shared else f"\n\n{passage}"
    return text.strip()


def _split_line(line: str) -> Iterator[str]:
    while len(line) > _MAX_LINE:
        at = line.rfind(" ", 1, _MAX_LINE) + 1 or _MAX_LINE
        yield f"{line[:at]}\n"
        line = line[at:]
    yield line


def _overlap_length(text: str, passage: str, overlap: int) -> int:
    lengths = range(min(overlap, len(text), len(passage)), 0, -1)
    return next((length for length in lengths if text.endswith(passage[:length])), 0)
