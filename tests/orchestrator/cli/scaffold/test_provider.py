"""`antiphon new provider`: what it lays out is typed, formatted but for imports, and registered."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestrator.cli.app import app

ROOT = Path(__file__).parents[4]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what a new vendor touches."""
    for part in ("mcp/scheduling", "tests/scheduling"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def new(*arguments: str) -> tuple[int, str]:
    answer = CliRunner().invoke(app, ["new", "provider", *arguments], env={"COLUMNS": "200"})
    return answer.exit_code, answer.stderr


def test_a_new_vendor_is_three_files(checkout: Path) -> None:
    code, said = new("scheduling", "square", "--title", "Square.up")
    assert code == 0, said
    assert "+ mcp/scheduling/providers/square.py" in said
    assert "+ tests/scheduling/test_square.py" in said
    assert "~ mcp/scheduling/registry.py" in said
    provider = checkout / "mcp/scheduling/providers/square.py"
    assert "class Squareup:" in provider.read_text()
    assert '"square": Squareup,' in (checkout / "mcp/scheduling/registry.py").read_text()
    ruff = [sys.executable, "-m", "ruff"]
    written = [str(provider), "tests/scheduling/test_square.py", "mcp/scheduling/registry.py"]
    for check in ([*ruff, "check", "--select", "I", "--fix", *written], [*ruff, "check", *written]):
        done = subprocess.run(check, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_a_dry_run_writes_nothing(checkout: Path) -> None:
    before = (checkout / "mcp/scheduling/registry.py").read_text()
    code, said = new("scheduling", "square", "--dry-run")
    assert (code, "square.py" in said) == (0, True)
    assert not (checkout / "mcp/scheduling/providers/square.py").exists()
    assert (checkout / "mcp/scheduling/registry.py").read_text() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere", "square"), "has no provider.py"),
        (("scheduling", "Square-Up"), "lower case letters and digits"),
        (("scheduling", "calcom"), "exists already"),
    ],
)
def test_what_cannot_be_laid_out_is_said(
    checkout: Path, arguments: tuple[str, ...], message: str
) -> None:
    assert checkout.is_dir()
    code, said = new(*arguments)
    assert code == 1
    assert message in said
