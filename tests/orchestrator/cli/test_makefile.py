"""The Makefile as a script uses it: only the command's own output is on stdout."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

# What brings uv, and uv itself; both talk more than they have to.
PIP = """#!/bin/sh
echo "Collecting uv"
mkdir -p .antiphon/uv/bin
cd .antiphon/uv/bin
printf '#!/bin/sh\\ncase "$1" in run) echo "{}";; *) echo "Resolved";; esac\\n' > uv
chmod +x uv
"""


@pytest.fixture
def folder(tmp_path: Path, repository: Path) -> Path:
    """A new checkout on a machine without uv."""
    shutil.copy(repository / "Makefile", tmp_path)
    pip = tmp_path / "python"
    pip.write_text(PIP)
    pip.chmod(0o755)
    return tmp_path


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make where uv has to be fetched first."""
    uv = folder / ".antiphon" / "uv" / "bin" / "uv"
    command = ["make", *arguments, f"UV={uv}", f"PYTHON={folder / 'python'}"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("options", [("-s",), ()])
def test_a_first_demo_prints_nothing_but_its_json(folder: Path, options: tuple[str, ...]) -> None:
    first = make(folder, *options, "demo", "ARGS=--once --json")
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout) == {}
    for line in ("fetching it", "Collecting uv", "first run", "Resolved"):
        assert line in first.stderr


@pytest.mark.parametrize("target", ["help", "quick", "test", "check"])
def test_every_target_is_listed(folder: Path, target: str) -> None:
    assert f"make {target} " in make(folder, "help").stdout
