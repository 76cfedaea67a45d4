"""What a body costs is known before it is parsed: its values and levels are counted."""

import json
import time
from typing import Any

import pytest

from config.body_limits import MAX_DEPTH, is_within_limits

VALUES: list[tuple[Any, int]] = [
    (1, 1),
    ([1] * 99, 100),
    ({f"k{number}": number for number in range(99)}, 100),
    ([[], {}, [1, 2]], 8),
    ({"a": '[[[{{{,,,\\",', "b": '"' * 50}, 3),
    ("," * 5_000, 1),
    ("[{" * 5_000, 1),
    ("\\" * 5_001, 1),
]


@pytest.mark.parametrize(("value", "values"), VALUES)
def test_values_are_counted_outside_of_strings(value: Any, values: int) -> None:
    body = json.dumps(value).encode()
    assert is_within_limits(body, values)
    assert values == 1 or not is_within_limits(body, values // 2)


def test_levels_are_counted() -> None:
    assert is_within_limits(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, 1000)
    assert not is_within_limits(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), 1000)
    assert is_within_limits(b"[" + b"[]," * 200 + b"[]]", 1000)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32"])
def test_other_encodings_cannot_hide_values(encoding: str) -> None:
    """U+2222 in UTF-16 is twice the byte of a quotation mark: what follows would be a string."""
    assert not is_within_limits(f'["\u2222", {"1, " * 500}1]'.encode(encoding), 100)


@pytest.mark.parametrize("body", [b'"' + b'\\"' * 400_000, b'"' * 800_000, b"[" + b'"' * 2**20])
def test_no_input_is_scanned_twice(body: bytes) -> None:
    started = time.process_time()
    is_within_limits(body + b"[" * 200, 10**9)
    assert time.process_time() - started < 2
