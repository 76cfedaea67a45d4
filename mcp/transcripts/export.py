"""A transcript as a file: JSON, CSV or plain text."""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from toolkit.middleware.results import without_nulls
from transcripts.results import ConversationView, Entry, Export

Format = Literal["json", "csv", "text"]

_COLUMNS = ("order_index", "created_at", "role", "language", "interrupted", "text")
# A spreadsheet runs a cell that starts with one of these, also after blanks; the last four are the
# full-width forms.
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_SPEAKERS = {"user": "User", "agent": "Agent"}


def exported(format: Format, conversation: ConversationView, entries: Sequence[Entry]) -> Export:
    """Return the transcript in one format."""
    write, mime_type, suffix = _FORMATS[format]
    return Export(
        format=format,
        content=write(conversation, entries),
        mime_type=mime_type,
        filename=f"transcript-{conversation.conversation_id}.{suffix}",
    )


def _json(conversation: ConversationView, entries: Sequence[Entry]) -> str:
    document = {
        "conversation": conversation.model_dump(mode="json"),
        "transcript": [entry.model_dump(mode="json") for entry in entries],
    }
    return json.dumps(without_nulls(document), ensure_ascii=False, indent=2)


def _csv(_: ConversationView, entries: Sequence[Entry]) -> str:
    file = io.StringIO()
    rows = csv.writer(file)
    rows.writerow(_COLUMNS)
    for entry in entries:
        cells = entry.model_dump(mode="json")
        rows.writerow([_harmless(cells[column]) for column in _COLUMNS])
    return file.getvalue()


def _harmless(cell: object) -> object:
    if isinstance(cell, str) and cell.lstrip().startswith(_FORMULA):
        return f"'{cell}"
    return cell


def _text(_: ConversationView, entries: Sequence[Entry]) -> str:
    # One line each: what was said must not look like a line of somebody else.
    said = ((_SPEAKERS[entry.role], " ".join(entry.text.split())) for entry in entries)
    return "".join(f"{speaker}: {text}\n" for speaker, text in said)


_Writer = Callable[[ConversationView, Sequence[Entry]], str]
_FORMATS: Mapping[Format, tuple[_Writer, str, str]] = {
    "json": (_json, "application/json", "json"),
    "csv": (_csv, "text/csv; charset=utf-8", "csv"),
    "text": (_text, "text/plain; charset=utf-8", "txt"),
}
