"""Splits a document's text into passages.

Short passages are found best: in an ordinary list of questions and answers, one of 300 characters
is about one subject (`benchmarks/retrieval.py`).
"""

import re
from collections.abc import Iterator, Sequence

from semantic_text_splitter import MarkdownSplitter, TextSplitter

from kb.sources.source import MARKDOWN

DEFAULT_SIZE = 300  # characters
# The splitter's time grows with the square of a line's length.
_MAX_LINE = 5_000
_DELIMITER = re.compile(r":?-+:?")  # a cell of the second line of a table in Markdown


def split_text(text: str, mime_type: str, size: int, overlap: int) -> list[str]:
    """Split `text` between sections or sentences into passages of at most `size` characters.

    A table that is longer becomes several, each with the header.
    """
    splitter = MarkdownSplitter if mime_type == MARKDOWN else TextSplitter
    lines = [piece for line in text.split("\n") for piece in _split_line(line)]
    parts = "\n".join(_repeat_headers(lines, size))
    return [chunk for chunk in splitter(size, overlap).chunks(parts) if chunk.strip()]


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


def _repeat_headers(lines: Sequence[str], size: int) -> Iterator[str]:
    """Yield the lines, and a table's header again wherever a passage of the table ends."""
    at = 0
    while at < len(lines):
        height, separator = _table_header(lines, at)
        if not height:
            yield lines[at]
            at += 1
            continue
        first = at + height
        at = next((n for n in range(first, len(lines)) if separator not in lines[n]), len(lines))
        yield from _split_table(lines[first - height : first], lines[first:at], size)


def _table_header(lines: Sequence[str], at: int) -> tuple[int, str]:
    """Return how many lines of header a table has that begins there, and what is between its cells.

    Without a table there, that is none and nothing.
    """
    line, *following = lines[at : at + 3]
    if "|" in line and following and "|" in following[0]:
        cells = following[0].strip().strip("|").split("|")
        if all(_DELIMITER.fullmatch(cell.strip()) for cell in cells):
            return 2, "|"
    tabs = line.count("\t")
    below = [each.count("\t") for each in following]
    if tabs and below == [tabs, tabs] and all(cell.strip() for cell in line.split("\t")):
        return 1, "\t"
    return 0, ""


def _split_table(header: Sequence[str], rows: Sequence[str], size: int) -> Iterator[str]:
    yield from header
    top = length = sum(len(line) + 1 for line in header)
    for number, row in enumerate(rows):
        # A row that does not fit below the header is split like any other line.
        if number and length + len(row) > size >= top + len(row):
            yield ""
            yield from header
            length = top
        yield row
        length += len(row) + 1


def _overlap_length(text: str, passage: str, overlap: int) -> int:
    lengths = range(min(overlap, len(text), len(passage)), 0, -1)
    return next((length for length in lengths if text.endswith(passage[:length])), 0)
