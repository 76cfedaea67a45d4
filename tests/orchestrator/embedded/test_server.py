"""How `antiphon models` ends when a model cannot be loaded."""

import asyncio
import sys
from pathlib import Path

import pytest

from orchestrator.embedded.loader import LoadOptions
from orchestrator.embedded.server import serve
from orchestrator.embedded.weights import WeightsError


async def run(*arguments: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "orchestrator", "models", "--port", "0", *arguments),
        stderr=asyncio.subprocess.PIPE,
    )
    _, log = await process.communicate()
    return process.returncode, log.decode()


async def test_a_model_that_is_not_there_ends_the_program_with_the_reason(tmp_path: Path) -> None:
    absent = tmp_path / "absent.onnx"
    code, log = await run("--no-llm", "--no-hearing", "--speech-path", str(absent))
    assert code == 1
    assert log.splitlines()[-1] == f"error: The configured model {absent} does not exist."


@pytest.mark.model
async def test_a_broken_model_ends_the_program_with_the_reason(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"no model")
    code, log = await run("--no-hearing", "--no-speech", "--llm-path", str(broken))
    assert code == 1
    assert "while loading" in log.splitlines()[-1]


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "::"])
def test_only_loopback_is_served(host: str) -> None:
    with pytest.raises(WeightsError, match="no authentication"):
        serve(host, 0, LoadOptions())
