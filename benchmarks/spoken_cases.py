"""Cases of what callers say: the files they stand in, and the options of the benchmarks on them."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

Case = Mapping[str, Any]


def load(name: str) -> list[Case]:
    """Return the cases of a file."""
    text = (Path(__file__).parent / name).read_text(encoding="utf-8")
    cases: list[Case] = yaml.safe_load(text)
    return cases


def options(description: str, name: str) -> tuple[list[str], bool]:
    """Return the files to read, `name` or the held-out one too, and whether faults are shown."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--held-out", action="store_true", help="read the second file, too")
    parser.add_argument("--show", action="store_true", help="show what is not right")
    chosen = parser.parse_args()
    held_out = [f"{name}_held_out.yaml"] if chosen.held_out else []
    return [f"{name}.yaml", *held_out], bool(chosen.show)
