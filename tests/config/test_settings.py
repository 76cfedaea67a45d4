"""`.env.example` explains every variable, and changes nothing when it is copied as it is."""

import re
import shutil
from itertools import pairwise
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from config.settings import MissingSettingError, Settings, required
from orchestrator.agent.model_choice import AUTO, thinks

READ_BY_LITELLM = {"OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GROQ_API_KEY"}
_VARIABLE = re.compile(r"^([A-Z][A-Z_]*)=(.*)$")


def _names() -> set[str]:
    fields = Settings.model_fields.items()
    return {str(field.validation_alias or name.upper()) for name, field in fields}


@pytest.fixture
def example(repository: Path) -> Path:
    return repository / ".env.example"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without `.env`, in an environment that says nothing."""
    for name in _names() | READ_BY_LITELLM:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _variables(example: Path) -> list[str]:
    matches = map(_VARIABLE.match, example.read_text(encoding="utf-8").splitlines())
    return [match[1] for match in matches if match]


def test_it_explains_every_variable_and_nothing_else(example: Path) -> None:
    variables = _variables(example)
    assert len(set(variables)) == len(variables)
    assert set(variables) == _names() | READ_BY_LITELLM


@pytest.mark.parametrize("name", sorted(READ_BY_LITELLM))
def test_a_key_of_a_language_model_is_used(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert thinks((AUTO,), Settings())[0].embedded
    monkeypatch.setenv(name, "a key")
    assert not thinks((AUTO,), Settings())[0].embedded


def test_every_variable_has_its_comment_above(example: Path) -> None:
    for before, line in pairwise(example.read_text(encoding="utf-8").splitlines()):
        if _VARIABLE.match(line):
            assert re.match(r"# (?!-)", before) or _VARIABLE.match(before), line


def test_copied_as_it_is_it_changes_nothing(example: Path, folder: Path) -> None:
    default = Settings()
    shutil.copy(example, folder / ".env")
    assert Settings() == default
    with (folder / ".env").open("a") as file:
        file.write("API_PORT=9999\n")
    assert Settings().api_port == 9999


def test_no_secret_has_a_value(example: Path) -> None:
    secrets = re.compile(r"^(\w*(KEY|SECRET)|\w*DATABASE_URL|REDIS_URL)=.+", re.MULTILINE)
    assert not secrets.search(example.read_text(encoding="utf-8"))


def test_a_wrong_value_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_PORT", "sk_live_canary")
    with pytest.raises(ValidationError) as refused:
        Settings()
    assert "canary" not in str(refused.value)


def test_what_is_missing_is_named() -> None:
    with pytest.raises(MissingSettingError, match="DATABASE_URL is not set"):
        required("DATABASE_URL", None)
    assert required("DATABASE_URL", SecretStr("x")) == "x"
