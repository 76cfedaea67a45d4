"""What a scaffold writes: new files from templates, and existing files with lines inserted."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from config.errors import UserError

_TEMPLATES = Path(__file__).parent / "templates"


class ScaffoldError(UserError):
    """The new code cannot be laid out here; the message says what is in the way."""


@dataclass(frozen=True)
class FileToWrite:
    """A file and its whole text; `exists` is whether it is there already and only changed."""

    path: Path
    text: str
    exists: bool = False


@dataclass(frozen=True)
class Scaffold:
    """The files of something new, what to read before the work begins, and what is left to do."""

    files: Sequence[FileToWrite]
    reading: Sequence[str]
    remaining: Sequence[str]

    def write(self) -> None:
        """Write every file."""
        for file in self.files:
            file.path.parent.mkdir(parents=True, exist_ok=True)
            file.path.write_text(file.text, encoding="utf-8")


def render(template: str, values: Mapping[str, str]) -> str:
    """Return a template, a path below `templates/`, with its `$names` filled in."""
    text = (_TEMPLATES / template).read_text(encoding="utf-8")
    return Template(text).substitute(values)


def require_free(paths: Iterable[Path]) -> None:
    """Make sure that nothing would be overwritten.

    Raises:
        ScaffoldError: one of the paths exists.
    """
    for path in paths:
        if path.exists():
            raise ScaffoldError(f"{path} exists already.")


def insert_into_block(path: Path, text: str, key: str, line: str) -> str:
    """Return YAML with a line added at the end of the top-level mapping `key`.

    Raises:
        ScaffoldError: there is no such mapping.
    """
    block = re.search(rf"^{key}:\n(?:[ #].*\n)+", text, re.MULTILINE)
    if block is None:
        raise ScaffoldError(f"{path} has no block {key!r}.")
    return f"{text[: block.end()]}  {line}\n{text[block.end() :]}"


def extend_lists_of_names(text: str, names: Iterable[str], new: str) -> str:
    """Return text in which every list of these names has a new one at its end.

    A list is either several indented lines with one name each, or one line in which `|` stands
    between the names: import-linter's contracts and Mermaid's diagrams are written like that.
    """
    name = "|".join(map(re.escape, names))
    lines = re.compile(rf"^([ ]+)(?:{name})\n(?:\1(?:{name})\n)+", re.MULTILINE)
    text = lines.sub(lambda block: f"{block[0]}{block[1]}{new}\n", text)
    one_line = re.compile(rf"^[ ]+(?:{name})(?: \| (?:{name}))+$", re.MULTILINE)
    return one_line.sub(lambda line: f"{line[0]} | {new}", text)
