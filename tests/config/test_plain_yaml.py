"""YAML is read as its version 1.2 does."""

import pytest
import yaml

from config import plain_yaml


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("30", 30),
        ("-1", -1),
        ("0", 0),
        ("1.5", 1.5),
        ("-.5", -0.5),
        ("2.", 2.0),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("!!int 030", 30),
        ("!!str 30", "30"),
        ("{<<: {a: 1}, b: 2}", {"a": 1, "b": 2}),
    ],
)
def test_values_that_are_written_as_such(written: str, value: object) -> None:
    read = plain_yaml.load(written)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    "written",
    [
        *("030", "08", "0x1f", "0b1", "1_000", "12:30", "12:30:45", "1:30.5", "+5", "01.5"),
        *("yes", "no", "on", "off", "Yes", "NO", "y", "n", "On", "tRUE"),
        *("2030-01-01", "2030-01-01T10:00:00Z", "=", ".inf", ".nan", "1e3", "-", "."),
    ],
)
def test_everything_else_is_a_text(written: str) -> None:
    assert plain_yaml.load(f"key: {written}" if written != "-" else "key: '-'") == {"key": written}


def test_a_key_is_a_text_too() -> None:
    assert plain_yaml.load("{no: 1, on: 2, 012: 3}") == {"no": 1, "on": 2, "012": 3}


def test_other_tags_are_refused() -> None:
    with pytest.raises(yaml.YAMLError):
        plain_yaml.load("!!python/name:os.system")
