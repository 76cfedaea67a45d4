"""Exports a transcript as a file: JSON, CSV or plain text."""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence

from toolkit.middleware.results import drop_nulls
from transcripts.results import ConversationResult, Entry, ExportResult, Format

_COLUMNS = ("order_index", "created_at", "role", "language", "interrupted", "text")
# A spreadsheet evaluates a cell that starts with one of these, also after blanks. The last four are
# full-width forms.
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_SPEAKERS = {"user": "User", "agent": "Agent"}


def export(
    format: Format, conversation: ConversationResult, entries: Sequence[Entry]
) -> ExportResult:
    """Return the transcript as a file of this format."""
    write, mime_type, suffix = _FORMATS[format]
    return ExportResult(
        format=format,
        content=write(conversation, entries),
        mime_type=mime_type,
        filename=f"transcript-{conversation.conversation_id}.{suffix}",
    )


def _json(conversation: ConversationResult, entries: Sequence[Entry]) -> str:
    document = {
        "conversation": conversation.model_dump(mode="json"),
        "transcript": [entry.model_dump(mode="json") for entry in entries],
    }
    return json.dumps(drop_nulls(document), ensure_ascii=False, indent=2)


def _csv(_: ConversationResult, entries: Sequence[Entry]) -> str:
    file = io.StringIO()
    rows = csv.writer(file)
    rows.writerow(_COLUMNS)
    for entry in entries:
        cells = entry.model_dump(mode="json")
        rows.writerow([_escape_formula(cells[column]) for column in _COLUMNS])
    return file.getvalue()


def _escape_formula(cell: object) -> object:
    if isinstance(cell, str) and cell.lstrip().startswith(_FORMULA):
        return f"'{cell}"
    return cell


def _text(_: ConversationResult, entries: Sequence[Entry]) -> str:
    # One line each, so that a text cannot look like an entry of the other speaker.
    lines = ((_SPEAKERS[entry.role], " ".join(entry.text.split())) for entry in entries)
    return "".join(f"{speaker}: {text}\n" for speaker, text in lines)


_Writer = Callable[[ConversationResult, Sequence[Entry]], str]
_FORMATS: Mapping[Format, tuple[_Writer, str, str]] = {
    "json": (_json, "application/json", "json"),
    "csv": (_csv, "text/csv; charset=utf-8", "csv"),
    "text": (_text, "text/plain; charset=utf-8", "txt"),
}
