"""`.env.example` explains every variable, and changes nothing when it is copied as it is."""

import ast
import os
import re
import shutil
from itertools import pairwise
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from config.declarations.env_refs import resolve
from config.settings import MissingSettingError, Settings, environment, prepare_litellm, required
from orchestrator.agent.model_choice import AUTO, resolve_llm
from orchestrator.embedded.weights import cache_folder

LANGUAGE_MODEL_KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GROQ_API_KEY")
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
    for name in _names():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _variables(example: Path) -> list[str]:
    matches = map(_VARIABLE.match, example.read_text(encoding="utf-8").splitlines())
    return [match[1] for match in matches if match]


def test_it_explains_every_variable_and_nothing_else(example: Path) -> None:
    variables = _variables(example)
    assert len(set(variables)) == len(variables)
    assert set(variables) == _names()


@pytest.mark.parametrize("name", LANGUAGE_MODEL_KEYS)
@pytest.mark.parametrize("place", ["environment", ".env"])
def test_a_key_of_a_language_model_is_used(
    name: str, place: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert resolve_llm((AUTO,), Settings())[0].embedded
    if place == ".env":
        (folder / ".env").write_text(f"{name}=a key\n")
    else:
        monkeypatch.setenv(name, "a key")
    assert not resolve_llm((AUTO,), Settings())[0].embedded


def test_the_cache_folder_may_stand_in_the_file(folder: Path) -> None:
    (folder / ".env").write_text(f"ANTIPHON_CACHE={folder / 'cache'}\n")
    assert cache_folder() == folder / "cache" / "models"


def test_a_variable_is_looked_up_in_the_environment_and_then_in_the_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / ".env").write_text("ACME_KEY=of the file\nUV=\n")
    monkeypatch.setenv("ACME_KEY", "")
    assert (environment()["ACME_KEY"], resolve("${ACME_KEY}")) == ("of the file", "of the file")
    assert "UV" not in environment() or os.environ["UV"]
    monkeypatch.setenv("ACME_KEY", "of the environment")
    assert environment()["ACME_KEY"] == "of the environment"


def test_litellm_gets_the_keys_of_the_file_and_no_setting_of_ours(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", {"GROQ_API_KEY": "of the environment"})
    lines = [f"{name}=of the file" for name in (*LANGUAGE_MODEL_KEYS, "MISTRAL_API_KEY")]
    (folder / ".env").write_text("\n".join([*lines, "VAULT_KEYS=k1:x", "DATABASE_URL=x"]))
    prepare_litellm()
    assert os.environ["MISTRAL_API_KEY"] == os.environ["OPENAI_API_KEY"] == "of the file"
    assert os.environ["GROQ_API_KEY"] == "of the environment"
    assert not {"VAULT_KEYS", "DATABASE_URL"} & os.environ.keys()


def _reads_the_environment(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(value=ast.Name(id="os"), attr="environ" | "environb" | "getenv"):
            return True
        case ast.ImportFrom(module="os", names=names):
            return any(alias.name in {"environ", "environb", "getenv"} for alias in names)
        case ast.ImportFrom(module="dotenv") | ast.Import(names=[ast.alias(name="dotenv")]):
            return True
        case _:
            return False


def test_one_module_reads_the_environment(repository: Path) -> None:
    readers = {
        file.relative_to(repository).as_posix()
        for folder in ("config", "kb", "mcp", "orchestrator")
        for file in (repository / folder).rglob("*.py")
        if "node_modules" not in file.parts
        if any(map(_reads_the_environment, ast.walk(ast.parse(file.read_text("utf-8")))))
    }
    assert readers == {"config/settings.py"}


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
