"""Tests against the vendors' own specifications, which are not part of this repository.

`VENDOR_CONTRACTS` names the folder that holds them.
"""

import os
from pathlib import Path

import pytest

from tests.contracts.specifications import Specifications


@pytest.fixture(scope="session")
def contracts() -> Path:
    """The folder of the vendors' specifications."""
    named = os.environ.get("VENDOR_CONTRACTS")
    if not named:
        pytest.skip("VENDOR_CONTRACTS does not name the folder of the vendors' specifications.")
    folder = Path(named)
    if not (folder / "check.py").is_file():
        pytest.fail(f"VENDOR_CONTRACTS names {folder}, which holds no check.py.")
    return folder


@pytest.fixture(scope="session")
def specifications(contracts: Path) -> Specifications:
    """The specifications, readable by name."""
    return Specifications(contracts)
