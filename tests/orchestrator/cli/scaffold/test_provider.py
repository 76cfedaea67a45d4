"""`antiphon new provider`: what it writes, what it says, and when it refuses."""

import ast
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestrator.cli.app import app
from orchestrator.cli.scaffold.source import Module, Sources, names_in_signature, unwritten_method

PROVIDER = Path("mcp/scheduling/providers/square.py")
TEST = Path("tests/scheduling/providers/test_square.py")
REGISTRY = Path("mcp/scheduling/registry.py")


def new(*arguments: str) -> tuple[int, str]:
    answer = CliRunner().invoke(app, ["new", "provider", *arguments], env={"COLUMNS": "200"})
    return answer.exit_code, answer.stderr


def test_a_new_vendor_is_three_files(checkout: Path) -> None:
    code, printed = new("scheduling", "square", "--title", "Square.up")
    assert code == 0, printed
    assert printed.splitlines()[:3] == [f"+ {PROVIDER}", f"+ {TEST}", f"~ {REGISTRY}"]
    assert "class Squareup:" in (checkout / PROVIDER).read_text()
    assert "class TestSquareup(" in (checkout / TEST).read_text()
    assert '"square": Squareup,' in (checkout / REGISTRY).read_text()


def test_it_says_what_to_read_and_what_is_left_to_write(checkout: Path) -> None:
    _, printed = new("scheduling", "square")
    reading, _, writing = printed.partition("write:")
    for path in ("mcp/scheduling/provider.py", "mcp/toolkit/http/client.py"):
        assert path in reading
    assert "mcp/scheduling/providers/" in reading
    assert f"{PROVIDER}: the credentials, and " in writing
    assert f"pytest {TEST}" in writing
    assert (checkout / PROVIDER).read_text().count("raise NotImplementedError") >= 5


def test_a_dry_run_writes_nothing(checkout: Path) -> None:
    before = (checkout / REGISTRY).read_text()
    code, printed = new("scheduling", "square", "--dry-run")
    assert (code, str(PROVIDER) in printed) == (0, True)
    assert not (checkout / PROVIDER).exists()
    assert not (checkout / TEST).exists()
    assert (checkout / REGISTRY).read_text() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere", "square"), "has no provider.py"),
        (("scheduling", "Square-Up"), "lower case letters and digits"),
        (("scheduling", "square", "--title", 'Square "Up"'), "neither quotes nor backslashes"),
        (("scheduling", "calcom"), "exists already"),
        (("scheduling", "acuity"), "exists already"),
    ],
)
def test_what_cannot_be_laid_out_is_said(
    checkout: Path, arguments: tuple[str, ...], message: str
) -> None:
    assert checkout.is_dir()
    code, printed = new(*arguments)
    assert code == 1
    assert message in printed


def test_a_registry_of_one_line_becomes_one_of_several(checkout: Path) -> None:
    path = checkout / REGISTRY
    head = path.read_text().partition("PROVIDERS")[0]
    annotation = "PROVIDERS: Mapping[str, ProviderFactory[SchedulingProvider]]"
    path.write_text(f'{head}{annotation} = {{"calcom": CalCom}}\n')
    assert new("scheduling", "square")[0] == 0
    entries = ['    "calcom": CalCom,\n', '    "square": Square,\n']
    assert path.read_text().endswith(f"{annotation} = {{\n{''.join(entries)}}}\n")


PROTOCOL = '''
import datetime
from collections.abc import Sequence as Many
from typing import Literal, Protocol

Kind = Literal["a", "b"]
LIMIT: int = 20

class Reads(Protocol):
    @property
    def size(self) -> int: ...

class Store(Reads, Protocol):
    async def find(
        self, kind: "Kind", since: datetime.date | None = None, *, limit: int = LIMIT
    ) -> Literal["Kind"]:
        """Find.

        Twice.
        """
        ...
'''


def test_methods_are_taken_over_from_a_protocol_and_its_bases(tmp_path: Path) -> None:
    (tmp_path / "mcp").mkdir()
    (tmp_path / "mcp" / "store.py").write_text(PROTOCOL)
    sources = Sources(tmp_path)
    module = sources.module("store")
    assert module is not None
    found = sources.find_class(module, "Store")
    assert found is not None
    methods = sources.methods(*found)
    assert list(methods) == ["size", "find"]
    source = "class New:\n" + "\n".join(unwritten_method(*each) for each in methods.values())
    ast.parse(source)
    assert source.count("raise NotImplementedError") == 2
    assert "@property" in source
    assert '"""Find.\n\n        Twice.\n        """' in source
    assert {"Kind", "datetime", "LIMIT"} <= names_in_signature(methods["find"][1])


def test_a_name_is_imported_from_where_it_is_defined() -> None:
    module = Module("store", Path(), PROTOCOL)
    origins = {name: module.origin(name) for name in ("Kind", "LIMIT", "Many", "datetime", "int")}
    assert origins == {
        "Kind": ("store", "Kind"),
        "LIMIT": ("store", "LIMIT"),
        "Many": ("collections.abc", "Sequence"),
        "datetime": ("datetime", ""),
        "int": None,
    }
