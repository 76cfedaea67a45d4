"""Reads documents from files."""

import os
from collections.abc import Mapping
from pathlib import Path, PurePath

from config.text import clean
from kb.errors import UnreadableDocumentError
from kb.sources.source import MARKDOWN, PLAIN, Source

_MIME_TYPES: Mapping[str, str] = {".txt": PLAIN, ".md": MARKDOWN, ".markdown": MARKDOWN}
_WILDCARDS = "*?["


def mime_type(path: PurePath) -> str:
    """Return the MIME type that a file's suffix stands for.

    Raises:
        UnreadableDocumentError: files with this suffix cannot be read.
    """
    try:
        return _MIME_TYPES[path.suffix.lower()]
    except KeyError:
        known = ", ".join(_MIME_TYPES)
        raise UnreadableDocumentError(path.name, f"only {known} can be read") from None


def read_files(folder: Path, pattern: str) -> list[Source]:
    """Read the file at a path below `folder`, or every file that a glob pattern matches.

    Raises:
        UnreadableDocumentError: nothing matches, or a file cannot be read.
    """
    return [read_file(folder, path) for path in _match(folder, pattern)]


def read_file(folder: Path, path: Path, name: str | None = None) -> Source:
    """Read one file; without a `name` the document is called by its path relative to `folder`.

    Raises:
        UnreadableDocumentError: it cannot be read, or its type is unknown.
    """
    relative = Path(os.path.relpath(path, folder)).as_posix()
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnreadableDocumentError(relative, error.strerror or "cannot be read") from None
    return Source(clean(name or relative), data, mime_type(path), "file", relative)


def _match(folder: Path, pattern: str) -> list[Path]:
    path = folder / pattern
    if not any(wildcard in pattern for wildcard in _WILDCARDS) or path.exists():
        return [path]
    root = Path(path.anchor)
    found = sorted(file for file in root.glob(str(path.relative_to(root))) if file.is_file())
    if not found:
        raise UnreadableDocumentError(pattern, "no file matches")
    return found
