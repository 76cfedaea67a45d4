"""Reads YAML as its version 1.2 does: a number is decimal, and what looks like a text is one.

In version 1.1, which PyYAML reads, `030` is 24, `12:30` is 750, `no` and `on` are booleans, and
`2030-01-01` is a date. Here these are texts, and whoever wants a number or a boolean converts them.
"""

import re
from typing import Any

import yaml

# What is read as each tag, and the characters that it may begin with.
_PLAIN = {
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "int": (r"-?(?:0|[1-9][0-9]*)", "-0123456789"),
    "float": (r"-?(?:0|[1-9][0-9]*)?\.[0-9]+|-?(?:0|[1-9][0-9]*)\.", "-.0123456789"),
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "merge": (r"<<", "<"),
}


class PlainLoader(yaml.SafeLoader):
    """A loader that takes nothing for a number, a boolean or null that is not written like one."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 as its base class has it


def load(text: str) -> Any:
    """Return the value of a text.

    Raises:
        YAMLError: it is not YAML.
    """
    return yaml.load(text, PlainLoader)  # noqa: S506 it is a SafeLoader


def _decimal(loader: PlainLoader, node: yaml.ScalarNode) -> int:
    return int(loader.construct_scalar(node))


def _float(loader: PlainLoader, node: yaml.ScalarNode) -> float:
    return float(loader.construct_scalar(node))


for _name, (_pattern, _first) in _PLAIN.items():
    PlainLoader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_name}", re.compile(rf"(?:{_pattern})\Z"), list(_first)
    )
PlainLoader.add_constructor("tag:yaml.org,2002:int", _decimal)
PlainLoader.add_constructor("tag:yaml.org,2002:float", _float)
