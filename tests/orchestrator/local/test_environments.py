"""What each process of a deployment on one machine really has in its environment."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from config.settings import Settings, settings_variables
from orchestrator.local.environments import process_environment
from tests.support.deployment import SharedDeployment

RECORDS = {"DATABASE_URL", "REDIS_URL"}
ROOMS = {"LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"}
MODELS = {"OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GROQ_API_KEY"}
SPEECH = {"DEEPGRAM_API_KEY", "ELEVENLABS_API_KEY", "SARVAM_API_KEY"}
SIGNS = {"SERVICE_TOKEN_PRIVATE_KEY"}
VAULT = {"VAULT_KEYS"}

# The secrets that a process may hold. The worker's job processes, which serve calls, are its own.
MAY_HOLD: Mapping[str, set[str]] = {
    "mcp": RECORDS | VAULT | MODELS,
    "api": RECORDS | VAULT | SIGNS | ROOMS,
    "worker": RECORDS | VAULT | SIGNS | ROOMS | MODELS | SPEECH,
    "jobs": RECORDS | VAULT | SIGNS | ROOMS | MODELS,
    "models": set(),
}
SECRETS = {name for name, secret in settings_variables().items() if secret}


def test_the_secrets_are_those_of_the_settings() -> None:
    held = {name for names in MAY_HOLD.values() for name in names}
    assert held | {"MIGRATION_DATABASE_URL"} == SECRETS
    assert len(SECRETS) < len(Settings.model_fields)


@pytest.mark.parametrize("process", MAY_HOLD)
def test_a_process_is_told_the_secrets_that_it_needs(process: str) -> None:
    variables = {
        **dict.fromkeys(SECRETS, "x"),
        "MISTRAL_API_KEY": "x",
        "API_PORT": "1",
        "PATH": "/bin",
    }
    told = process_environment(process, variables)
    assert told.keys() & SECRETS == MAY_HOLD[process]
    assert ("MISTRAL_API_KEY" in told) == (process in ("mcp", "worker", "jobs"))
    assert (told["API_PORT"], told["PATH"]) == ("1", "/bin")
    assert told["ANTIPHON_ENV_FILE"] == ""  # else it would read what it was not told


def environment_of(pid: int) -> set[str]:
    """Return the names of the variables of a running process."""
    variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return {each.partition(b"=")[0].decode() for each in variables if each}


@pytest.mark.room
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows a process's environment")
async def test_no_running_process_holds_more_than_it_may(deployment: SharedDeployment) -> None:
    for process in deployment.deployment.processes:
        own = [process.pid, *(each.pid for each in psutil.Process(process.pid).children(True))]
        for pid in own:  # the job processes of the worker among them
            held = environment_of(pid)
            assert held & SECRETS <= MAY_HOLD[process.name], (process.name, pid)
            assert "PATH" in held
    for engine in deployment.deployment.engines.processes:
        assert not environment_of(engine.pid) & SECRETS
        assert "OPENAI_API_BASE" not in environment_of(engine.pid)
    assert os.getpid() not in {each.pid for each in deployment.deployment.processes}
