"""A checkout for `antiphon new` to write into."""

import shutil
from pathlib import Path

import pytest

_PARTS = (
    *("mcp/scheduling", "tests/scheduling", "config/constellation.yaml", "compose.yaml"),
    *(".importlinter", "docs/architecture.md", "pyproject.toml"),
)


@pytest.fixture
def checkout(tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the files that something new changes, and of one server; it is the folder now."""
    for part in _PARTS:
        source, target = repository / part, tmp_path / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    monkeypatch.chdir(tmp_path)
    return tmp_path
