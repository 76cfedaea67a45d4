"""What `antiphon new` lays out, in a whole checkout: typed, linted, collected, and served.

The checkers run side by side, on a new server and on a new vendor of each server that has any.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.util import cache_from_source
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestrator.cli.app import app

ROOT = Path(__file__).parents[4]
SERVERS = sorted(path.parent.name for path in ROOT.glob("mcp/*/registry.py"))
BIN = Path(sys.executable).parent
LIST_TOOLS = """
import asyncio, json
from uuid import uuid4
import httpx2
from fastmcp import Client
from config.security.tokens import Claims
from config.security.vault import Account
from loyalty.server import SERVER
from toolkit.server.build import build_server
from toolkit.server.stdio import SingleAccountVault
from toolkit.tenancy import Runtime

async def main():
    vault = SingleAccountVault(Account("builtin", None, {}, {}))
    claims = Claims(sub="test", business_id=uuid4())
    async with httpx2.AsyncClient() as http:
        server = build_server(SERVER, Runtime(http, vault, standalone=claims))
        async with Client(server) as client:
            called = await client.call_tool("list_items", {"limit": 3})
            names = [tool.name for tool in await client.list_tools()]
            print(json.dumps({"tools": names, "answer": called.structured_content}))

asyncio.run(main())
"""


def copy_checkout(target: Path) -> None:
    """Copy every file that is, or would be, under version control, with its bytecode."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.splitlines():
        for path in (Path(name), Path(cache_from_source(name))):
            if (ROOT / path).is_file():
                (target / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / path, target / path)  # bytecode holds for a time of change
    # What mypy knows of the libraries saves it twenty seconds.
    if (ROOT / ".mypy_cache").is_dir():
        shutil.copytree(ROOT / ".mypy_cache", target / ".mypy_cache")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with a new server, and a new vendor of every server."""
    folder = tmp_path_factory.mktemp("checkout")
    copy_checkout(folder)
    commands = [["server", "loyalty"]]
    commands += [["provider", name, "acme", "--title", "Acme Inc."] for name in NEW_VENDORS]
    with contextlib.chdir(folder):
        for command in commands:
            done = CliRunner().invoke(app, ["new", *command])
            assert done.exit_code == 0, done.output
    return folder


NEW_VENDORS = [*SERVERS, "loyalty"]
NEW_TESTS = [f"tests/{name}/providers/test_acme.py" for name in NEW_VENDORS]


@pytest.fixture(scope="module")
def checkers(checkout: Path) -> Iterator[Mapping[str, subprocess.Popen[str]]]:
    """The checkers, all of them running."""
    changed = [*checkout.glob("mcp/*/registry.py"), *checkout.glob("mcp/*/providers/acme.py")]
    new = [*checkout.glob("mcp/loyalty/**/*.py"), *checkout.glob("tests/loyalty/**/*.py")]
    files = sorted({str(path.relative_to(checkout)) for path in [*changed, *new]} | {*NEW_TESTS})
    python = [sys.executable, "-m"]
    commands = {
        "mypy": [*python, "mypy", f"--python-executable={sys.executable}", *files],
        "ruff": [*python, "ruff", "check", *files],
        "format": [*python, "ruff", "format", "--check", *files],
        "lint-imports": [str(BIN / "lint-imports"), "--no-cache"],
        "list_tools": [sys.executable, "-c", LIST_TOOLS],
        "pytest": [*python, "pytest", "-p", "no:cacheprovider", "--tb=no", "-q", *NEW_TESTS],
    }
    commands["pytest"] += ["tests/loyalty/test_server.py", f"--basetemp={checkout / 'basetemp'}"]
    environment = {
        **os.environ,
        "PYTHONPATH": f"{checkout}{os.pathsep}{checkout / 'mcp'}",
        "COLUMNS": "400",
    }
    running = {
        name: subprocess.Popen(
            command,
            cwd=checkout,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for name, command in commands.items()
    }
    yield running
    for process in running.values():
        process.kill()
        process.wait()


@pytest.mark.parametrize("name", ["mypy", "ruff", "format", "lint-imports"])
def test_what_is_new_satisfies(name: str, checkers: Mapping[str, subprocess.Popen[str]]) -> None:
    printed, _ = checkers[name].communicate()
    assert checkers[name].returncode == 0, printed


def test_a_new_server_lists_its_tool_over_mcp(
    checkers: Mapping[str, subprocess.Popen[str]],
) -> None:
    printed, _ = checkers["list_tools"].communicate()
    assert checkers["list_tools"].returncode == 0, printed
    assert json.loads(printed.splitlines()[-1]) == {
        "tools": ["list_items"],
        "answer": {"items": [], "say": "There are no items."},
    }


def test_new_tests_fail_only_where_something_is_not_implemented(
    checkers: Mapping[str, subprocess.Popen[str]],
) -> None:
    printed, _ = checkers["pytest"].communicate()
    failed = re.findall(r"^(?:ERROR|FAILED) (\S+?)::.* - (.*)$", printed, re.MULTILINE)
    assert {path for path, _ in failed} == set(NEW_TESTS), printed
    assert {reason for _, reason in failed} == {"NotImplementedError"}, printed
    assert re.search(r"\b2 passed\b", printed), printed
