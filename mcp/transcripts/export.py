"""Exports a transcript as a file: JSON, CSV or plain text. Tool calls stand in their places."""

import csv
import io
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from toolkit.middleware.results import drop_nulls
from transcripts.results import CallEntry, ConversationResult, Entry, ExportResult, Format

_COLUMNS = (
    *("order_index", "created_at", "role", "language", "interrupted", "text"),
    *("server", "tool", "arguments", "outcome", "ms"),
)
# A spreadsheet evaluates a cell that starts with one of these, also after blanks. The last four are
# full-width forms.
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_SPEAKERS = {"user": "User", "agent": "Agent"}

_Line = Entry | CallEntry


def export(
    format: Format,
    conversation: ConversationResult,
    entries: Sequence[Entry],
    calls: Sequence[CallEntry],
) -> ExportResult:
    """Return the transcript as a file of this format."""
    write, mime_type, suffix = _FORMATS[format]
    return ExportResult(
        format=format,
        content=write(conversation, _merge(entries, calls)),
        mime_type=mime_type,
        filename=f"transcript-{conversation.conversation_id}.{suffix}",
    )


def _merge(entries: Sequence[Entry], calls: Sequence[CallEntry]) -> list[_Line]:
    """Return both in one order: a call comes after its user turn, before what was said later."""
    before: defaultdict[int, list[CallEntry]] = defaultdict(list)
    for call in calls:
        before[_place(entries, call)].append(call)
    lines: list[_Line] = []
    for place, entry in enumerate(entries):
        lines += [*before[place], entry]
    return [*lines, *before[len(entries)]]


def _place(entries: Sequence[Entry], call: CallEntry) -> int:
    """Return the place of the entry that a call comes before."""
    first = 0
    for place, entry in enumerate(entries):
        if entry.role == "user" and entry.order_index == call.user_turn_index:
            first = place + 1
    later = (
        place
        for place, entry in enumerate(entries)
        if place >= first and entry.created_at > call.called_at
    )
    return next(later, len(entries))


def _json(conversation: ConversationResult, lines: Sequence[_Line]) -> str:
    document = {
        "conversation": conversation.model_dump(mode="json"),
        "transcript": [_with_role(line) for line in lines],
    }
    return json.dumps(drop_nulls(document), ensure_ascii=False, indent=2)


def _with_role(line: _Line) -> dict[str, Any]:
    if isinstance(line, Entry):
        return line.model_dump(mode="json")
    # Its order_index is not one of those that turns and responses share.
    return {"role": "tool", **line.model_dump(mode="json", exclude={"order_index"})}


def _csv(_: ConversationResult, lines: Sequence[_Line]) -> str:
    file = io.StringIO()
    rows = csv.writer(file)
    rows.writerow(_COLUMNS)
    for line in lines:
        cells = _cells(line)
        rows.writerow([_escape_formula(cells.get(column)) for column in _COLUMNS])
    return file.getvalue()


def _cells(line: _Line) -> dict[str, Any]:
    fields = _with_role(line)
    if isinstance(line, Entry):
        return fields
    arguments = None if line.arguments is None else _compact(line.arguments)
    return fields | {
        "created_at": fields["called_at"],
        "arguments": arguments,
        "text": line.said,
    }


def _escape_formula(cell: object) -> object:
    if isinstance(cell, str) and cell.lstrip().startswith(_FORMULA):
        return f"'{cell}"
    return cell


def _text(_: ConversationResult, lines: Sequence[_Line]) -> str:
    # One line each, so that a text cannot look like an entry of the other speaker.
    sentences = map(_speaker_and_text, lines)
    return "".join(f"{speaker}: {' '.join(text.split())}\n" for speaker, text in sentences)


def _speaker_and_text(line: _Line) -> tuple[str, str]:
    if isinstance(line, Entry):
        return _SPEAKERS[line.role], line.text
    arguments = "" if line.arguments is None else f" {_compact(line.arguments)}"
    said = f": {line.said}" if line.said else ""
    text = f"{line.server} {line.tool}{arguments} ({line.outcome}, {line.ms:.0f} ms){said}"
    return "Tool", text


def _compact(arguments: Mapping[str, Any]) -> str:
    return json.dumps(arguments, ensure_ascii=False, separators=(",", ":"))


_Writer = Callable[[ConversationResult, Sequence[_Line]], str]
_FORMATS: Mapping[Format, tuple[_Writer, str, str]] = {
    "json": (_json, "application/json", "json"),
    "csv": (_csv, "text/csv; charset=utf-8", "csv"),
    "text": (_text, "text/plain; charset=utf-8", "txt"),
}
