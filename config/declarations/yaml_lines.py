"""YAML that a person wrote: every value with its line, and nothing that surprises."""

import re
from collections.abc import Sequence
from typing import Any

import yaml

_LARGEST = 1_000_000  # characters
_MOST_NODES = 100_000  # an alias counts as what it stands for


class MalformedError(Exception):
    """A text is not YAML, or holds what nobody means; never says which value it was."""

    def __init__(self, problem: str, mark: yaml.Mark | None = None) -> None:
        super().__init__(problem)
        self.line: int = mark.line + 1 if mark else 1


def parse(text: str) -> tuple[yaml.Node | None, Any]:
    """Return the nodes of a text, which know their lines, and its values.

    Raises:
        MalformedError: the text is not YAML, repeats a key, or is out of all proportion.
    """
    if len(text) > _LARGEST:
        raise MalformedError(f"is larger than {_LARGEST:,} characters")
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
    """Return the line of the deepest part of `at` that stands in the text."""
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


class _Loader(yaml.SafeLoader):
    """Says where a value stands that is not what it looks like, such as the 31st of June."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except ValueError:
            problem = "is not a date or a number that exists; quote it, if it is a text"
            raise MalformedError(problem, node.start_mark) from None


def _check(root: yaml.Node) -> None:
    """Refuse what YAML itself would take: keys that stand twice, and aliases that multiply."""
    waiting = [root]
    seen = 0
    while waiting:
        node = waiting.pop()
        seen += 1
        if seen > _MOST_NODES:
            raise MalformedError("is too much, counting what aliases repeat", node.start_mark)
        if isinstance(node, yaml.MappingNode):
            _refuse_repeated_keys(node)
            waiting += [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value


def _refuse_repeated_keys(mapping: yaml.MappingNode) -> None:
    seen: set[str] = set()
    for key, _ in mapping.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        if key.value in seen:
            raise MalformedError(f"{key.value!r} stands twice", key.start_mark)
        seen.add(key.value)
