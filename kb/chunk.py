"""From a document's text to its passages.

Short passages are found best: at 300 characters a passage of an ordinary list of questions and
answers holds about one subject (`benchmarks/retrieval.py`).
"""

from collections.abc import Iterator, Sequence

from semantic_text_splitter import MarkdownSplitter, TextSplitter

from kb.extract import MARKDOWN

DEFAULT_SIZE = 300  # characters
# The splitter's time grows with the square of a line's length.
_LONGEST_LINE = 5_000


def chunks(text: str, mime_type: str, size: int, overlap: int) -> list[str]:
    """Split `text` where its meaning allows, into passages of at most `size` characters."""
    splitter = MarkdownSplitter if mime_type == MARKDOWN else TextSplitter
    lines = "\n".join(piece for line in text.split("\n") for piece in _pieces(line))
    return [chunk for chunk in splitter(size, overlap).chunks(lines) if chunk.strip()]


def join_chunks(passages: Sequence[str], overlap: int) -> str:
    """Return the text that consecutive passages came from, without what they share."""
    text = ""
    for passage in passages:
        shared = _shared(text, passage, overlap)
        text += passage[shared:] if shared else f"\n\n{passage}"
    return text.strip()


def _pieces(line: str) -> Iterator[str]:
    while len(line) > _LONGEST_LINE:
        at = line.rfind(" ", 1, _LONGEST_LINE) + 1 or _LONGEST_LINE
        yield f"{line[:at]}\n"
        line = line[at:]
    yield line


def _shared(text: str, passage: str, overlap: int) -> int:
    lengths = range(min(overlap, len(text), len(passage)), 0, -1)
    return next((length for length in lengths if text.endswith(passage[:length])), 0)
