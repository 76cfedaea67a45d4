"""Parses YAML strictly, and finds the line of each value."""

import re
from collections.abc import Sequence
from typing import Any

import yaml

from config.plain_yaml import PlainLoader

_MAX_LENGTH = 1_000_000  # characters
_MAX_NODES = 100_000  # an alias counts as what it stands for


class MalformedError(Exception):
    """A text is not YAML, or has a construct that is refused; the message has no value."""

    def __init__(self, problem: str, mark: yaml.Mark | None = None) -> None:
        super().__init__(problem)
        self.line: int = mark.line + 1 if mark else 1


def parse(text: str) -> tuple[yaml.Node | None, Any]:
    """Return the root node of a text, whose nodes have lines, and the text's value.

    Raises:
        MalformedError: the text is not YAML, repeats a key, or is too large.
    """
    if len(text) > _MAX_LENGTH:
        raise MalformedError(f"is larger than {_MAX_LENGTH:,} characters")
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        if root is None:
            return None, None
        _check(root)
        return root, loader.construct_document(root)
    except yaml.MarkedYAMLError as error:
        # An unquoted secret that begins with ! or * is taken for a tag or an alias.
        problem = re.sub(r"\b(tag handle|tag|alias) .*", r"\1", error.problem or "is not YAML")
        raise MalformedError(problem, error.problem_mark) from None
    except yaml.YAMLError:
        raise MalformedError("is not YAML") from None
    except RecursionError:
        raise MalformedError("is nested too deeply") from None


def line_of(node: yaml.Node, at: Sequence[str | int]) -> int:
    """Return the line of the value at the path `at`, or of its deepest parent that exists."""
    line: int = node.start_mark.line + 1
    if not at:
        return line
    head, rest = at[0], at[1:]
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(head):
                return max(int(key.start_mark.line) + 1, line_of(value, rest) if rest else 0)
    if isinstance(node, yaml.SequenceNode) and isinstance(head, int) and head < len(node.value):
        return line_of(node.value[head], rest)
    return line


class _Loader(PlainLoader):
    """A loader that reports the line of an invalid date or number, such as the 31st of June."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except ValueError:
            problem = "is not a date or a number that exists; quote it, if it is a text"
            raise MalformedError(problem, node.start_mark) from None


def _check(root: yaml.Node) -> None:
    """Refuse repeated keys, and aliases that expand to too many nodes."""
    stack = [root]
    seen = 0
    while stack:
        node = stack.pop()
        seen += 1
        if seen > _MAX_NODES:
            raise MalformedError("is too much, counting what aliases repeat", node.start_mark)
        if isinstance(node, yaml.MappingNode):
            _refuse_repeated_keys(node)
            stack += [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            stack += node.value


def _refuse_repeated_keys(mapping: yaml.MappingNode) -> None:
    seen: set[str] = set()
    for key, _ in mapping.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        if key.value in seen:
            raise MalformedError(f"{key.value!r} stands twice", key.start_mark)
        seen.add(key.value)
