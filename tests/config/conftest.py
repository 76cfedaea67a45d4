"""Declarations to read and to apply."""

from collections.abc import Callable
from pathlib import Path

import pytest

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a declaration to a file."""

    def write(text: str) -> Path:
        path = tmp_path / "bots.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write
