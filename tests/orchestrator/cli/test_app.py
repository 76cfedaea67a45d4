"""The command, as a person at a terminal meets it."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from typer.testing import CliRunner

from config.constellation import constellation
from config.security.tokens import Signer
from config.settings import Settings
from orchestrator.cli import models
from orchestrator.cli.app import app
from orchestrator.cli.terminal import Failure
from orchestrator.embedded.loader import LoadOptions
from orchestrator.engines.postgres import Postgres
from orchestrator.engines.valkey import Valkey
from tests.support.processes import mcp_process
from tests.support.terminal import antiphon_at_once

ROOT = Path(__file__).parents[3]
COMMANDS = [
    *("up", "demo", "api", "worker", "mcp", "models"),
    *("migrate", "jobs", "apply", "tools", "catalogue", "doctor", "keys", "connect", "servers"),
]
DECLARATION = """
business: {slug: nightbakers, name: The Night Bakers, time_zone: Europe/Paris}
knowledge_bases:
  - {name: shop, documents: [{name: facts, text: "Rye bread costs five euros."}]}
calendars:
  - name: oven
    services: [{id: course, name: baking course, minutes: 120}]
    hours: {sat: "10:00-18:00"}
bots:
  - name: counter
    system_prompt: You answer the phone.
    first_message_inbound: Hello.
    knowledge_base: shop
    servers:
      scheduling: {tools: [get_available_slots, create_booking]}
"""


def antiphon(
    *arguments: str, environment: Mapping[str, str] | None = None, cwd: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "orchestrator", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "200", **(environment or {})},
        cwd=cwd,
        check=False,
    )


@pytest_asyncio.fixture(scope="module")
async def environment(
    postgres_server: Postgres, valkey_server: Valkey
) -> AsyncGenerator[dict[str, str]]:
    signer = Signer.generate()
    stores = {
        "DATABASE_URL": postgres_server.database_url,
        "MIGRATION_DATABASE_URL": postgres_server.migration_database_url,
        "REDIS_URL": valkey_server.redis_url,
        "SERVICE_TOKEN_PRIVATE_KEY": signer.private_key,
        "SERVICE_TOKEN_PUBLIC_KEY": signer.public_key(),
    }
    async with mcp_process(stores) as url:
        yield {**stores, "MCP_URL": url + "/{server}/mcp"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    answer = CliRunner().invoke(app, [command, "--help"])
    assert answer.exit_code == 0
    assert "Usage:" in answer.stdout


def test_the_catalogue_has_every_server_with_its_tools() -> None:
    answer = antiphon("catalogue", "--json")
    catalogue = json.loads(answer.stdout)
    servers = ["crm", "tickets", "servicenow", "scheduling", "knowledge", "transcripts"]
    assert list(catalogue) == list(constellation().servers)
    assert set(catalogue) >= set(servers)
    for entry in catalogue.values():
        assert set(entry) == {"providers", "tools", "unsupported"}
    wanted = ["get_available_slots", "create_booking", "get_booking", "list_bookings"]
    assert catalogue["scheduling"]["tools"][:4] == wanted


def test_an_unknown_server_is_named_with_those_that_exist() -> None:
    answer = antiphon("mcp", "crmm")
    assert answer.returncode == 1
    assert "'crmm'" in answer.stderr
    assert "scheduling" in answer.stderr


@pytest.mark.parametrize(
    ("arguments", "port"), [((), 4711), (("--port", "0"), 0), (("--no-llm",), 4711)]
)
def test_the_models_listen_where_the_settings_say(
    arguments: tuple[str, ...], port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, int]] = []

    def serve(host: str, port: int, options: LoadOptions) -> None:
        assert options.llm == ("--no-llm" not in arguments)
        calls.append((host, port))

    monkeypatch.setattr("orchestrator.embedded.server.serve", serve)
    monkeypatch.setattr(models, "settings", lambda: Settings(models_port=4711))
    assert CliRunner().invoke(app, ["models", *arguments]).exit_code == 0
    assert calls == [("127.0.0.1", port)]


def test_a_failure_is_one_line_with_its_brackets(capsys: pytest.CaptureFixture[str]) -> None:
    Failure("pip install 'antiphon[offline,offline-llm]' " + "x" * 200)
    error = capsys.readouterr().err
    assert error.startswith("error: pip install 'antiphon[offline,offline-llm]' xxx")
    assert error.count("\n") == 1


def test_a_missing_variable_says_what_helps() -> None:
    without = {"DATABASE_URL": "", "REDIS_URL": ""}
    answer = antiphon_at_once("apply", "config/bots/demo-clinic.yaml", environment=without)
    assert answer.returncode == 1
    assert "DATABASE_URL is not set" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_declaration_is_shown_applied_and_applied_again(
    environment: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "bakers.yaml"
    path.write_text(DECLARATION)
    looked = antiphon_at_once("apply", str(path), "--dry-run", environment=environment)
    assert looked.returncode == 0, looked.stderr
    assert "+ bot counter" in looked.stderr
    assert "would change" in " ".join(looked.stderr.split())
    applied = antiphon_at_once("apply", str(path), environment=environment)
    assert "+ bot counter" in applied.stderr
    again = antiphon_at_once("apply", str(path), environment=environment)
    assert "no difference" in again.stderr
    path.write_text(DECLARATION.replace("You answer the phone.", "You are the baker."))
    changed = antiphon_at_once("apply", str(path), environment=environment)
    assert "~ bot counter: system_prompt" in changed.stderr
    assert "You are the baker" not in changed.stderr


def test_a_mistake_is_reported_with_file_and_line(
    environment: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(DECLARATION.replace("system_prompt", "system_promt"))
    answer = antiphon_at_once("apply", str(path), environment=environment)
    assert answer.returncode == 1
    line = 1 + DECLARATION.splitlines().index("    system_prompt: You answer the phone.")
    assert f"wrong.yaml:{line}" in answer.stderr.replace("\n", "")
    assert "system_promt" in answer.stderr


def test_a_bots_tools_are_shown_with_their_tokens(
    environment: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "bakers.yaml"
    path.write_text(DECLARATION)
    antiphon_at_once("apply", str(path), environment=environment)
    wanted = ("tools", "--business", "nightbakers", "--bot", "counter")
    shown = antiphon_at_once(*wanted, environment=environment)
    assert "scheduling_create_booking" in shown.stdout
    assert "3 tools" in shown.stdout
    schemas: list[dict[str, Any]] = json.loads(
        antiphon_at_once(*wanted, "--json", environment=environment).stdout
    )
    names = [schema["function"]["name"] for schema in schemas]
    assert names == [
        "scheduling_get_available_slots",
        "scheduling_create_booking",
        "end_conversation",
    ]
    unknown = antiphon_at_once(*wanted[:-1], "nobody", environment=environment)
    assert unknown.returncode == 1
    assert "no such bot" in unknown.stderr


def test_a_key_is_made_for_a_business_that_exists(
    environment: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "bakers.yaml"
    path.write_text(DECLARATION)
    antiphon_at_once("apply", str(path), environment=environment)
    made = antiphon_at_once("keys", "create", "--business", "nightbakers", environment=environment)
    assert made.stdout.startswith("ak_")
    refused = antiphon_at_once("keys", "create", "--business", "nobody", environment=environment)
    assert refused.returncode == 1
    assert "antiphon apply" in refused.stderr


def test_the_schema_for_editors_is_printed() -> None:
    schema = json.loads(antiphon_at_once("apply", "--schema", "x.yaml").stdout)
    assert {"business", "bots", "calendars", "knowledge_bases"} <= set(schema["properties"])


def test_the_doctor_says_what_helps() -> None:
    free = {name: "0" for name in ("API_PORT", "MCP_PORT", "MODELS_PORT", "LIVEKIT_PORT")}
    answer = antiphon("doctor", environment=free)
    assert "Python" in answer.stdout
    assert "LiveKit" in answer.stdout
    assert "selldo" in answer.stdout, "a vendor with fewer tools than its server"
    assert "Traceback" not in answer.stderr
