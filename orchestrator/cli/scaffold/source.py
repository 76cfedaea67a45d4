"""Reads a checkout's Python source without running it: classes, methods, and origins of names."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One module: its dotted name, and its source."""

    name: str
    path: Path
    text: str

    @cached_property
    def body(self) -> list[ast.stmt]:
        """The statements of the module."""
        return ast.parse(self.text).body

    def classes(self) -> Iterator[ast.ClassDef]:
        """Yield the classes that the module defines."""
        return (node for node in self.body if isinstance(node, ast.ClassDef))

    def origin(self, name: str) -> tuple[str, str] | None:
        """Return from which module to import a name that is used here, and what it is called there.

        A module that is imported whole has no name in it: `("datetime", "")`. None: a builtin.
        """
        for node in self.body:
            match node:
                case ast.ImportFrom(module=str(module), names=aliases):
                    for alias in aliases:
                        if (alias.asname or alias.name) == name:
                            return module, alias.name
                case ast.Import(names=aliases):
                    if any(alias.name == name for alias in aliases):
                        return name, ""
                case ast.ClassDef(name=defined) if defined == name:
                    return self.name, name
                case ast.Assign(targets=[ast.Name(id=defined)]) if defined == name:
                    return self.name, name
                case ast.AnnAssign(target=ast.Name(id=defined)) if defined == name:
                    return self.name, name
                case _:
                    pass
        return None


@dataclass(frozen=True)
class Sources:
    """The modules of a checkout, by dotted name; `mcp/` is a source root like the checkout."""

    root: Path
    _modules: dict[str, Module | None] = field(default_factory=dict[str, Module | None])

    def module(self, name: str) -> Module | None:
        """Return a module of the checkout; None for one of a library."""
        if name not in self._modules:
            self._modules[name] = self._read(name)
        return self._modules[name]

    def _read(self, name: str) -> Module | None:
        parts = Path(*name.split("."))
        for folder in (self.root, self.root / "mcp"):
            for path in (folder / parts.with_suffix(".py"), folder / parts / "__init__.py"):
                if path.is_file():
                    return Module(name, path, path.read_text(encoding="utf-8"))
        return None

    def find_class(self, module: Module, name: str) -> tuple[Module, ast.ClassDef] | None:
        """Return a class that a module defines or imports, with the module that defines it."""
        for node in module.classes():
            if node.name == name:
                return module, node
        origin = module.origin(name)
        imported = self.module(origin[0]) if origin and origin[1] else None
        if origin is None or imported is None or imported is module:
            return None
        return self.find_class(imported, origin[1])

    def methods(self, module: Module, node: ast.ClassDef) -> dict[str, tuple[Module, Function]]:
        """Return the methods of a class and of its bases, those of the bases first."""
        methods: dict[str, tuple[Module, Function]] = {}
        for base in node.bases:
            name = base.value if isinstance(base, ast.Subscript) else base
            found = self.find_class(module, name.id) if isinstance(name, ast.Name) else None
            if found:
                methods |= self.methods(*found)
        for each in node.body:
            if isinstance(each, Function):
                methods[each.name] = module, each
        return methods


def unwritten_method(module: Module, method: Function) -> str:
    """Return a method with its signature and docstring, and no implementation."""
    lines = module.text.splitlines()
    first = method.body[0]
    decorators = [
        f"    @{ast.unparse(each)}"
        for each in method.decorator_list
        if ast.unparse(each) != "abstractmethod"
    ]
    signature = [*lines[method.lineno - 1 : first.lineno - 1]]
    if rest := lines[first.lineno - 1][: first.col_offset].rstrip():
        signature.append(rest)
    has_docstring = ast.get_docstring(method) is not None
    docstring = lines[first.lineno - 1 : first.end_lineno] if has_docstring else []
    return "\n".join([*decorators, *signature, *docstring, "        raise NotImplementedError", ""])


def names_in_signature(method: Function) -> set[str]:
    """Return the names that a method's annotations and defaults use."""
    names: set[str] = set()
    annotations = [each.annotation for each in _arguments(method)] + [method.returns]
    for part in [*annotations, *method.args.defaults, *method.args.kw_defaults]:
        for node in ast.walk(part) if part is not None else ():
            if isinstance(node, ast.Name):
                names.add(node.id)
            elif part in annotations and isinstance(node, ast.Constant):
                names |= _names_in_string(node.value)
    return names


def _arguments(method: Function) -> list[ast.arg]:
    arguments = method.args
    several = [each for each in (arguments.vararg, arguments.kwarg) if each]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *several]


def _names_in_string(annotation: object) -> set[str]:
    """Return the names in an annotation that is written as a string; a literal has none."""
    try:
        tree = ast.parse(annotation, mode="eval") if isinstance(annotation, str) else None
    except SyntaxError:
        return set()
    nodes = ast.walk(tree) if tree else ()
    return {node.id for node in nodes if isinstance(node, ast.Name) and node.id[:1].isupper()}


class Imports:
    """The imports of a new file, which ruff then puts in order."""

    def __init__(self) -> None:
        self._statements: set[str] = set()

    def add(self, module: str, *names: str) -> None:
        """Import names from a module, or the module itself."""
        self._statements |= {f"from {module} import {name}" for name in names}
        if not names:
            self._statements.add(f"import {module}")

    def add_signatures(self, methods: Mapping[str, tuple[Module, Function]]) -> None:
        """Import whatever the signatures of these methods use."""
        for module, method in methods.values():
            for name in names_in_signature(method):
                if origin := module.origin(name):
                    self.add(origin[0], *(each for each in origin[1:] if each))

    def to_source(self) -> str:
        """Return the statements, a line each."""
        return "\n".join(sorted(self._statements))
