"""The example that calls a bot, with real speech in both directions."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio

from orchestrator.deployment import Deployment
from orchestrator.engines.process import Program, running
from tests.doubles.scripted_model import ScriptedModel, Step, serving
from tests.examples.conftest import Run
from tests.processes import held

# Its fixtures load models and start a worker.
pytestmark = [pytest.mark.room, pytest.mark.timeout(300)]


@pytest_asyncio.fixture
async def model(
    deployment: Deployment, models_url: str, tmp_path: Path
) -> AsyncGenerator[ScriptedModel]:
    """The language model of a worker that takes calls."""
    model, registered = ScriptedModel(), tmp_path / "registered"

    async def ready(_: object) -> bool:
        return registered.exists()

    async with held(serving(model)) as model_url:
        told = {
            "MODELS_URL": models_url,
            "OPENAI_API_BASE": model_url,
            "OPENAI_API_KEY": "scripted",
            "WORKER_MAX_CALLS": "1",
            "WORKER_IDLE_PROCESSES": "1",
            "WORKER_READY_FILE": str(registered),
        }
        program = Program(
            name="worker",
            command=[sys.executable, "-m", "orchestrator", "worker"],
            log=tmp_path / "worker.log",
            env={**deployment.environment, **told},
            deadline=90,
        )
        async with held(running(program, ready)):
            yield model


async def recording(models_url: str, text: str, file: Path) -> Path:
    """Speak a text into a file."""
    async with httpx2.AsyncClient(trust_env=False, timeout=30) as client:
        body = {"input": text, "voice": "joe-high"}
        spoken = await client.post(f"{models_url}/audio/speech", json=body)
    await asyncio.to_thread(file.write_bytes, spoken.raise_for_status().content)
    return file


async def test_a_bot_is_called_with_recordings(
    example: Run, model: ScriptedModel, models_url: str, tmp_path: Path
) -> None:
    question = "How much is a new lining for a jacket?"
    first = await recording(models_url, question, tmp_path / "first.wav")
    second = await recording(models_url, "And do you deliver it?", tmp_path / "second.wav")
    model.play(
        Step(caller="jacket", facts="75 euros", answer="A new lining costs 75 euros."),
        Step(caller="deliver", answer="Yes, for 6 euros."),
    )

    ran = await example("call_with_audio.py", first, second)

    assert ran.code == 0, ran.err
    model.assert_done()
    begun, *lines = ran.out.splitlines()
    assert [line.partition(":")[0].strip() for line in lines] == [
        *("agent", "caller", "agent", "caller", "agent"),
    ]
    assert lines[0].endswith("Fairweather Tailors, good day. What can I do for you?")
    assert "jacket" in lines[1]
    assert lines[2].endswith("A new lining costs 75 euros.")
    assert lines[4].endswith("Yes, for 6 euros.")

    stored = await example("read_transcripts.py", begun.removeprefix("conversation: "))
    assert "agent: A new lining costs 75 euros." in stored.out
