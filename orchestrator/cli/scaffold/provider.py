"""A new vendor of a server: its file and its test from templates, and its registry line."""

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from string import Template

from config.errors import UserError

_NAME = re.compile(r"[a-z][a-z0-9]*")
_UNWRITTEN = "        raise NotImplementedError"
_TEMPLATES = Path(__file__).parent


class ScaffoldError(UserError):
    """A new vendor cannot be laid out here."""


@dataclass(frozen=True)
class NewFile:
    """A file to write; one that exists already is changed by a line or two."""

    path: Path
    text: str
    exists: bool


def new_provider(root: Path, server: str, name: str, title: str | None = None) -> list[NewFile]:
    """Return what a new vendor of a server takes, without writing it.

    Raises:
        ScaffoldError: this is no checkout, there is no such server, or the vendor exists.
    """
    folder = root / "mcp" / server
    protocol, registry = folder / "provider.py", folder / "registry.py"
    if not protocol.is_file() or not registry.is_file():
        raise ScaffoldError(
            f"{folder} has no provider.py and registry.py. Run this in a checkout of Antiphon, "
            "with the name of a server that has vendors."
        )
    if not _NAME.fullmatch(name):
        raise ScaffoldError("A vendor's name is lower case letters and digits, such as calcom.")
    target = folder / "providers" / f"{name}.py"
    test = root / "tests" / server / f"test_{name}.py"
    for path in (target, test):
        if path.exists():
            raise ScaffoldError(f"{path} exists already.")
    shown = title or name.capitalize()
    contract, vendor = _contract(root / "tests" / server / "contract.py")
    words = {
        "title": shown,
        "name": name,
        "server": server,
        "class_name": _class_name(shown, name),
        "contract": contract,
        "vendor": vendor,
        "imports": _imports(protocol, server),
        "methods": _methods(protocol),
    }
    return [
        NewFile(target, _filled("provider.py.txt", words), exists=False),
        NewFile(test, _filled("test_provider.py.txt", words), exists=False),
        NewFile(registry, _registered(registry, server, name, words["class_name"]), exists=True),
    ]


def _filled(template: str, words: dict[str, str]) -> str:
    text = (_TEMPLATES / template).read_text(encoding="utf-8")
    return Template(text).substitute(words)


def _class_name(title: str, name: str) -> str:
    joined = re.sub(r"[^A-Za-z0-9]", "", title)
    return joined if joined[:1].isupper() else name.capitalize()


def _contract(path: Path) -> tuple[str, str]:
    """Return the names of the contract's class and of its played vendor."""
    if not path.is_file():
        raise ScaffoldError(f"{path} is missing: a server's vendors share a contract suite.")
    classes = [
        node for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, ast.ClassDef)
    ]
    contracts = [node.name for node in classes if node.name.endswith("Contract")]
    played = [node.name for node in classes if any(_is_vendor(base) for base in node.bases)]
    if not contracts or not played:
        raise ScaffoldError(f"{path} has no class that ends in Contract, or no played Vendor.")
    return contracts[0], played[0]


def _is_vendor(base: ast.expr) -> bool:
    return isinstance(base, ast.Name) and base.id == "Vendor"


def _methods(protocol: Path) -> str:
    """Return the protocol's methods, to be filled in."""
    source = protocol.read_text(encoding="utf-8")
    methods = [
        method
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef) and any(_is_protocol(base) for base in node.bases)
        for method in node.body
        if isinstance(method, ast.AsyncFunctionDef | ast.FunctionDef)
    ]
    return "".join(f"\n{_method(source, method)}" for method in methods)


def _imports(protocol: Path, server: str) -> str:
    """Return the imports that the protocol's methods need, where the template has none."""
    tree = ast.parse(protocol.read_text(encoding="utf-8"))
    used = {
        name.id
        for method in ast.walk(tree)
        if isinstance(method, ast.AsyncFunctionDef | ast.FunctionDef)
        for part in (method.args, method.returns)
        if part is not None
        for name in ast.walk(part)
        if isinstance(name, ast.Name)
    }
    own = sorted(
        node.name for node in tree.body if isinstance(node, ast.ClassDef) and node.name in used
    )
    foreign = {
        alias.name: str(node.module)
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name in used
    }
    lines = [f"from {module} import {name}" for name, module in sorted(foreign.items())]
    return "\n".join([*lines, f"from {server}.provider import {', '.join(own)}"])


def _is_protocol(base: ast.expr) -> bool:
    return isinstance(base, ast.Name) and base.id == "Protocol"


def _method(source: str, method: ast.AsyncFunctionDef | ast.FunctionDef) -> str:
    lines = source.splitlines()[method.lineno - 1 : method.body[0].end_lineno]
    return "\n".join([*lines, _UNWRITTEN, ""])


def _registered(registry: Path, server: str, name: str, class_name: str) -> str:
    """Return the registry with the vendor's import and its entry."""
    text = registry.read_text(encoding="utf-8")
    imported = f"from {server}.providers.{name} import {class_name}\n"
    entry = f'    "{name}": {class_name},\n'
    lines = text.splitlines(keepends=True)
    imports = [n for n, line in enumerate(lines) if line.startswith(f"from {server}.providers.")]
    opening = next((n for n, line in enumerate(lines) if line.startswith("PROVIDERS")), None)
    if not imports or opening is None:
        raise ScaffoldError(f"{registry} has no PROVIDERS, or imports no provider.")
    before = next((n for n in imports if lines[n] > imported), imports[-1] + 1)
    lines.insert(opening + 1, entry)
    lines.insert(before, imported)
    return "".join(lines)
