"""A new vendor of a server: its file and its test from templates, and its registry line."""

import ast
import re
from pathlib import Path

from orchestrator.cli.scaffold.files import (
    FileToWrite,
    Scaffold,
    ScaffoldError,
    render,
    require_free,
)
from orchestrator.cli.scaffold.source import Function, Imports, Module, Sources, unwritten_method

Methods = dict[str, tuple[Module, Function]]
Protocol = tuple[Module, ast.ClassDef]

_NAME = re.compile(r"[a-z][a-z0-9]*")
_TITLE = re.compile(r"[^\"\\\n]+")
_CLIENT = "mcp/toolkit/http/client.py"


def new_provider(root: Path, server: str, name: str, title: str | None = None) -> Scaffold:
    """Return what a new vendor of a server takes, without writing it.

    Long because it lists all that is new, all that is to be read, and all that is left to do.

    Raises:
        ScaffoldError: this is no checkout, there is no such server, or the vendor exists.
    """
    sources = Sources(root)
    registry = sources.module(f"{server}.registry")
    if registry is None or sources.module(f"{server}.provider") is None:
        raise ScaffoldError(
            f"{root / 'mcp' / server} has no provider.py and registry.py. Run this in a checkout "
            "of Antiphon, with the name of a server that has vendors."
        )
    title = title or name.capitalize()
    if not _NAME.fullmatch(name):
        raise ScaffoldError("A vendor's name is lower case letters and digits, such as calcom.")
    if not _TITLE.fullmatch(title):
        raise ScaffoldError("A title has neither quotes nor backslashes.")
    folder = root / "mcp" / server / "providers"
    target = folder / f"{name}.py"
    test = root / "tests" / server / "providers" / f"test_{name}.py"
    require_free((target, folder / name, test, test.parent / name))
    protocol = _protocol(sources, registry)
    values = {
        "title": title,
        "server": server,
        "name": name,
        "class_name": _class_name(title, name),
        "tools": "".join(f'            "{tool}",\n' for tool in _tools(sources, server)),
    }
    entry = _Entry(server, name, values["class_name"])
    return Scaffold(
        files=(
            FileToWrite(target, _provider(sources, protocol, values)),
            FileToWrite(test, _test(sources, server, values)),
            FileToWrite(registry.path, entry.add_to(registry), exists=True),
        ),
        reading=_reading(sources, protocol, registry),
        remaining=(
            f"{target.relative_to(root)}: the credentials, and those of "
            f"{_count(sources, protocol)} methods whose tools you take out of `unsupported`",
            f"{test.relative_to(root)}: the vendor, played as its documentation describes it",
            f"pytest {test.relative_to(root)}, until it is green",
            "antiphon catalogue --docs docs/servers, and a line in CHANGELOG.md",
        ),
    )


def _class_name(title: str, name: str) -> str:
    joined = re.sub(r"[^A-Za-z0-9]", "", title)
    return joined if joined[:1].isupper() else name.capitalize()


def _tools(sources: Sources, server: str) -> list[str]:
    """Return the names of a server's tools, in order."""
    module = sources.module(f"{server}.server")
    for node in module.body if module else ():
        match node:
            case ast.Assign(targets=[ast.Name(id="TOOLS")], value=ast.Tuple(elts=tools)):
                return [each.id for each in tools if isinstance(each, ast.Name)]
            case _:
                pass
    raise ScaffoldError(f"mcp/{server}/server.py has no tuple TOOLS.")


def _protocol(sources: Sources, registry: Module) -> Protocol:
    """Return the protocol that the registry's providers satisfy, as its annotation names it."""
    match _providers(registry).annotation:
        case ast.Subscript(slice=ast.Tuple(elts=[_, ast.Subscript(slice=ast.Name(id=name))])):
            protocol = sources.find_class(registry, name)
        case _:
            protocol = None
    if protocol is None:
        raise ScaffoldError(f"{registry.path} does not say which protocol its providers satisfy.")
    return protocol


def _providers(registry: Module) -> ast.AnnAssign:
    for node in registry.body:
        match node:
            case ast.AnnAssign(target=ast.Name(id="PROVIDERS"), value=ast.Dict()):
                return node
            case _:
                pass
    raise ScaffoldError(f"{registry.path} has no dict PROVIDERS.")


def _provider(sources: Sources, protocol: Protocol, values: dict[str, str]) -> str:
    imports = Imports()
    imports.add("collections.abc", "Mapping")
    imports.add("typing", "ClassVar")
    imports.add("pydantic", "SecretStr")
    imports.add("config.security.vault", "Account")
    imports.add("toolkit.http.client", "HeaderAuth", "VendorApi")
    imports.add("toolkit.tenancy", "Credentials", "ToolCall")
    methods = sources.methods(*protocol)
    parts = _parts(sources, methods)
    own = {name: method for name, method in methods.items() if name not in parts}
    classes = [_part(sources, part, values["class_name"], imports) for part in parts.values()]
    attributes = [
        f"        self.{name} = {values['class_name']}{part.name}(self._api, call)\n"
        for name, (_, part) in parts.items()
    ]
    imports.add_signatures(own)
    generated = {
        "imports": imports.to_source(),
        "parts": "".join(classes),
        "attributes": "".join([*attributes, "\n"]),
        "methods": _bodies(own),
    }
    return render("provider/provider.py.txt", {**values, **generated})


def _parts(sources: Sources, methods: Methods) -> dict[str, Protocol]:
    """Return the properties of a protocol that are protocols themselves, each with its class."""
    parts: dict[str, Protocol] = {}
    for name, (module, method) in methods.items():
        decorators = [ast.unparse(each) for each in method.decorator_list]
        if "property" in decorators and isinstance(method.returns, ast.Name):
            part = sources.find_class(module, method.returns.id)
            if part and any(ast.unparse(base) == "Protocol" for base in part[1].bases):
                parts[name] = part
    return parts


def _part(sources: Sources, part: Protocol, prefix: str, imports: Imports) -> str:
    methods = sources.methods(*part)
    imports.add_signatures(methods)
    values = {
        "part_class": f"{prefix}{part[1].name}",
        "docstring": (ast.get_docstring(part[1]) or part[1].name).partition("\n")[0],
        "methods": _bodies(methods),
    }
    return render("provider/part.py.txt", values)


def _count(sources: Sources, protocol: Protocol) -> int:
    """Return how many methods are to be written, those of the parts among them."""
    methods = sources.methods(*protocol)
    parts = _parts(sources, methods)
    return len(methods) - len(parts) + sum(len(sources.methods(*part)) for part in parts.values())


def _bodies(methods: Methods) -> str:
    return "\n".join(unwritten_method(*method) for method in methods.values())


def _test(sources: Sources, server: str, values: dict[str, str]) -> str:
    """Return a test module: the server's contract where there is one, else the account's check."""
    imports = Imports()
    imports.add("httpx2")
    contract = sources.module(f"tests.{server}.contract")
    if contract is None:
        return _test_of_provider(imports, server, values)
    suite = next((each for each in contract.classes() if each.name.endswith("Contract")), None)
    if suite is None:
        raise ScaffoldError(f"{contract.path} has no class that ends in Contract.")
    double = _double(sources, contract, suite)
    abstract = {
        name: method
        for name, method in sources.methods(*double).items()
        if name != "answer" and _is_abstract(method[1])
    }
    imports.add("typing", "ClassVar")
    imports.add(f"{server}.providers.{values['name']}", values["class_name"])
    imports.add(contract.name, "CANARY", suite.name)
    imports.add(double[0].name, double[1].name)
    imports.add_signatures(abstract)
    names = {"contract": suite.name, "double": double[1].name}
    return render(
        "provider/test_contract.py.txt",
        {**values, **names, "imports": imports.to_source(), "methods": f"{_bodies(abstract)}\n"},
    )


def _double(sources: Sources, contract: Module, suite: ast.ClassDef) -> tuple[Module, ast.ClassDef]:
    """Return the class that plays a vendor: what the contract's `new_vendor` returns."""
    double = None
    if factory := sources.methods(contract, suite).get("new_vendor"):
        module, method = factory
        if isinstance(method.returns, ast.Name):
            double = sources.find_class(module, method.returns.id)
    if double is None:
        raise ScaffoldError(f"{suite.name}.new_vendor does not name the class of its vendor.")
    return double


def _test_of_provider(imports: Imports, server: str, values: dict[str, str]) -> str:
    imports.add("collections.abc", "AsyncGenerator")
    imports.add("uuid", "uuid4")
    imports.add("pytest")
    imports.add("pytest_asyncio")
    imports.add("config.database", "Database")
    imports.add("config.security.tokens", "Claims")
    imports.add("config.security.vault", "Account", "DatabaseVault")
    imports.add(f"{server}.providers.{values['name']}", values["class_name"])
    imports.add("tests.support.servers", "KEYRING")
    imports.add("tests.support.vendors", "Vendor")
    imports.add("toolkit.tenancy", "Runtime", "ToolCall")
    return render("provider/test_provider.py.txt", {**values, "imports": imports.to_source()})


def _is_abstract(method: Function) -> bool:
    return any(ast.unparse(each) == "abstractmethod" for each in method.decorator_list)


class _Entry:
    """A vendor's import and its entry in the dict of a registry."""

    def __init__(self, server: str, name: str, class_name: str) -> None:
        self._package = f"{server}.providers"
        self._module = f"{self._package}.{name}"
        self._import = f"from {self._module} import {class_name}\n"
        self._entry = f'    "{name}": {class_name},\n'

    def add_to(self, registry: Module) -> str:
        """Return the registry with the vendor in it."""
        providers = _providers(registry)
        lines = registry.text.splitlines(keepends=True)
        self._add_entry(lines, providers)
        lines.insert(self._import_line(registry) - 1, self._import)
        return "".join(lines)

    def _add_entry(self, lines: list[str], providers: ast.AnnAssign) -> None:
        value = providers.value
        if not isinstance(value, ast.Dict) or value.end_lineno is None:
            return
        if value.lineno != value.end_lineno:
            lines.insert(value.end_lineno - 1, self._entry)
            return
        pairs = zip(value.keys, value.values, strict=True)
        entries = [
            f'    "{ast.literal_eval(key)}": {ast.unparse(each)},\n' for key, each in pairs if key
        ]
        start = lines[value.lineno - 1][: value.col_offset]
        lines[value.lineno - 1 : value.end_lineno] = [f"{start}{{\n", *entries, self._entry, "}\n"]

    def _import_line(self, registry: Module) -> int:
        imports = [
            node
            for node in registry.body
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(self._package)
        ]
        if not imports:
            raise ScaffoldError(f"{registry.path} imports no provider.")
        after = (node.lineno for node in imports if (node.module or "") > self._module)
        return next(after, (imports[-1].end_lineno or imports[-1].lineno) + 1)


def _vendors(sources: Sources, registry: Module) -> list[Path]:
    """Return the vendors that there are, each its file or its folder; the smallest first."""
    sizes: dict[Path, int] = {}
    for node in registry.body:
        if not isinstance(node, ast.ImportFrom) or ".providers." not in (node.module or ""):
            continue
        module = sources.module(node.module or "")
        if module and ".builtin" not in module.name:
            path = module.path if module.name.count(".") == 2 else module.path.parent
            sizes[path] = _source(path).count("\n")
    return sorted(sizes, key=lambda path: sizes[path])


def _source(vendor: Path) -> str:
    files = vendor.glob("*.py") if vendor.is_dir() else [vendor]
    return "".join(file.read_text("utf-8") for file in files)


def _reading(sources: Sources, protocol: Protocol, registry: Module) -> list[str]:
    """Return what to read: the protocol, what vendors share, one or two of them, the contract."""
    module, node = protocol
    server, root = module.path.parent, sources.root
    vendors = _vendors(sources, registry)
    complete = next((each for each in vendors if "UnknownTool" not in _source(each)), None)
    imported = {
        name
        for each in vendors
        for name in re.findall(rf"from {server.name}\.(\w+) ", _source(each))
    }
    shared = (server / f"{name}.py" for name in sorted(imported - {"provider", "providers"}))
    tests = root / "tests" / server.name
    known = {
        server / "matching.py": "what becomes of the records that a search finds",
        **dict.fromkeys(shared, "what vendors share"),
    }
    if vendors and vendors[0] != complete:
        known[vendors[0]] = "the smallest vendor, which has few of the tools"
    if complete:
        known[complete] = "the smallest of the complete vendors"
    known |= {
        tests / "contract.py": "the tests that every vendor passes, and what a vendor's test says",
        tests / "scenario.py": "the test that calls every tool",
        tests / "samples.py": "the values that it sends",
    }
    return [
        f"{module.path.relative_to(root)}: {node.name}, which the vendor's class satisfies",
        f"{_CLIENT}: VendorApi, which sends every request",
        *(f"{path.relative_to(root)}: {why}" for path, why in known.items() if path.exists()),
    ]
