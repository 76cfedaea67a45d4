"""Every variable is explained in `.env.example`, which changes nothing when it is copied as it is."""

import re
from itertools import pairwise
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from config.settings import MissingSettingError, Settings, required
from orchestrator.agent import providers

_VARIABLE = re.compile(r"^([A-Z][A-Z_]*)=(.*)$")


def _names() -> set[str]:
    fields = Settings.model_fields.items()
    return {str(field.validation_alias or name.upper()) for name, field in fields}


@pytest.fixture
def example(repository: Path) -> Path:
    return repository / ".env.example"


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _names():
        monkeypatch.delenv(name, raising=False)


def _variables(example: Path) -> list[str]:
    matches = map(_VARIABLE.match, example.read_text(encoding="utf-8").splitlines())
    return [match[1] for match in matches if match]


def test_it_explains_every_variable_and_nothing_else(example: Path) -> None:
    variables = _variables(example)
    assert len(set(variables)) == len(variables)
    read_by_litellm = {key for key, _ in providers.MODELS}
    assert set(variables) == _names() | read_by_litellm


def test_every_variable_has_a_comment_of_a_line_or_two(example: Path) -> None:
    blocks = re.split(r"\n(?=#|\n)", example.read_text(encoding="utf-8"))
    lines = example.read_text(encoding="utf-8").splitlines()
    for before, line in pairwise(lines):
        if _VARIABLE.match(line):
            assert before.startswith("# ") or _VARIABLE.match(before), line
            assert not before.startswith("# ---"), line
    assert blocks


def test_every_line_shows_the_default(example: Path) -> None:
    assert Settings(_env_file=example) == Settings(_env_file=None)


def test_no_secret_has_a_value(example: Path) -> None:
    for line in example.read_text(encoding="utf-8").splitlines():
        if match := _VARIABLE.match(line):
            assert not (re.search(r"KEY|SECRET|DATABASE_URL|REDIS_URL", match[1]) and match[2])
