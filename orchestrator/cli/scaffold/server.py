"""A new server: its folder and its tests from templates, and its place in the constellation."""

import importlib.util
import re
from pathlib import Path

import yaml

from orchestrator.cli.scaffold.files import (
    FileToWrite,
    Scaffold,
    ScaffoldError,
    extend_lists_of_names,
    insert_into_block,
    render,
    require_free,
)

_NAME = re.compile(r"[a-z][a-z0-9]*")
_CONSTELLATION = "config/constellation.yaml"
_SOURCES = {
    "__init__.py": "init.py.txt",
    "__main__.py": "main.py.txt",
    "provider.py": "provider.py.txt",
    "providers/__init__.py": "providers_init.py.txt",
    "providers/builtin.py": "builtin.py.txt",
    "registry.py": "registry.py.txt",
    "results.py": "results.py.txt",
    "sentences.py": "sentences.py.txt",
    "sentences/en.yaml": "en.yaml.txt",
    "operations.py": "operations.py.txt",
    "item_tools.py": "item_tools.py.txt",
    "server.py": "server.py.txt",
}
_TESTS = {
    "conftest.py": "conftest.py.txt",
    "contract.py": "contract.py.txt",
    "test_server.py": "test_server.py.txt",
    "test_sentences.py": "test_sentences.py.txt",
}


def new_server(root: Path, name: str) -> Scaffold:
    """Return what a new server takes, without writing it.

    Raises:
        ScaffoldError: this is no checkout, or the name is taken.
    """
    known = _servers(root)
    if not _NAME.fullmatch(name):
        raise ScaffoldError("A server's name is lower case letters and digits, such as billing.")
    folder, tests = root / "mcp" / name, root / "tests" / name
    require_free((folder, tests))
    if (root / name).exists() or importlib.util.find_spec(name) is not None:
        raise ScaffoldError(f"{name!r} is taken: a module of that name can be imported already.")
    values = {"name": name, "class_name": name.capitalize()}
    new = {
        folder / path: render(f"server/{template}", values) for path, template in _SOURCES.items()
    } | {tests / path: render(f"server/{template}", values) for path, template in _TESTS.items()}
    return Scaffold(
        files=(
            *(FileToWrite(path, text) for path, text in new.items()),
            *(FileToWrite(path, text, exists=True) for path, text in _changes(root, known, values)),
        ),
        reading=(
            "mcp/scheduling: the smallest of the complete servers",
            "mcp/toolkit/server/build.py: ServerSpec, which lists the tools",
            "mcp/toolkit/effects.py: what a tool does to the world",
        ),
        remaining=(
            f"mcp/{name}: its own words in the place of Item, list_items and item_tools.py, which "
            ".importlinter names, too",
            "antiphon new provider for each vendor; providers/builtin.py goes where vendors alone "
            "have the records",
            "antiphon catalogue --docs docs/servers",
            "ANTIPHON_UPDATE_SCHEMAS=1 pytest tests/test_schemas.py",
            "docs/integrations.md: what each vendor was held against",
            "make check, and a line in README.md and in CHANGELOG.md",
        ),
    )


def _servers(root: Path) -> list[str]:
    path = root / _CONSTELLATION
    if not path.is_file():
        raise ScaffoldError(f"{path} is missing. Run this in a checkout of Antiphon.")
    return list(yaml.safe_load(path.read_text(encoding="utf-8"))["servers"])


def _changes(root: Path, known: list[str], values: dict[str, str]) -> list[tuple[Path, str]]:
    """Return the files that list the servers, with the new one in them."""
    name = values["name"]
    constellation, compose = root / _CONSTELLATION, root / "compose.yaml"
    text = constellation.read_text(encoding="utf-8")
    text = insert_into_block(constellation, text, "servers", f"{name}: {name}.server:SERVER")
    text = insert_into_block(constellation, text, "processes", f"{name}: antiphon mcp {name}")
    services, networks, rest = compose.read_text(encoding="utf-8").partition("\nnetworks:\n")
    if not networks:
        raise ScaffoldError(f"{compose} has no block 'networks' after its services.")
    service = render("server/compose.yaml.txt", values)
    linter, architecture = root / ".importlinter", root / "docs" / "architecture.md"
    contracts = extend_lists_of_names(linter.read_text(encoding="utf-8"), known, name)
    picture = extend_lists_of_names(architecture.read_text(encoding="utf-8"), known, name)
    return [
        (constellation, text),
        (compose, f"{services}{service}{networks}{rest}"),
        (linter, _with_tools_layer(contracts)),
        (architecture, picture),
    ]


def _with_tools_layer(contracts: str) -> str:
    """Return import-linter's contracts with `item_tools` in the layer of the servers' tools.

    That layer names every module of tools, because the contract of the servers is exhaustive.
    """
    layer = re.compile(r"^[ ]+\(\w+_tools\)(?: \| \(\w+_tools\))*$", re.MULTILINE)
    return layer.sub(
        lambda line: line[0] if "(item_tools)" in line[0] else f"{line[0]} | (item_tools)",
        contracts,
    )
