"""`antiphon demo --json` as a person starts it: a whole call, and the report of it."""

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.call_expectations import (
    CallFile,
    agent_error,
    caller_error,
    failed_turns,
    parse_report,
)
from orchestrator.demo.report import Report
from orchestrator.embedded.loader import LoadOptions
from orchestrator.embedded.weights import WeightsError
from tests.support.scripted_model import Call, ScriptedModel, Step, serve_model

ROOT = Path(__file__).parents[3]
FIXTURES = ROOT / "tests" / "fixtures"
BICYCLE = FIXTURES / "bicycle.yaml"

_KEYS = (
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "GEMINI_API_KEY",
    "GROQ_API_KEY",
    "DEEPGRAM_API_KEY",
    "ELEVENLABS_API_KEY",
    "SARVAM_API_KEY",
    "LLM_MODEL",
    "DATABASE_URL",
    "REDIS_URL",
    "LIVEKIT_URL",
)


def require_installed(options: LoadOptions) -> None:
    try:
        options.require_installed()
    except WeightsError as error:
        pytest.skip(str(error))


async def demo(arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[Report, str]:
    """Run the command; return its report, and what it printed to stderr."""
    clean = {name: value for name, value in os.environ.items() if name not in _KEYS}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "orchestrator", "demo", "--once", "--json"),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**clean, **environment},
        cwd=ROOT,
    )
    printed, progress = await process.communicate()
    assert process.returncode == 0, progress.decode()
    return parse_report(printed), progress.decode()


def recordings(voice: str) -> list[str]:
    files = sorted((FIXTURES / "bicycle" / voice).glob("*.wav"))
    assert len(files) == 5
    return [argument for file in files for argument in ("--wav", str(file))]


SCRIPT = (
    Step("how much is a full service", "A full service costs 89 euros.", facts="89 euros"),
    Step(
        "day after tomorrow in the morning",
        (
            Call(
                "scheduling_get_available_slots",
                {"service": "full service", "when": "the day after tomorrow in the morning"},
            ),
        ),
    ),
    Step("day after tomorrow", "At ten, half past ten, or eleven. Which one?", results="eleven"),
    Step(
        "Susan Clark",
        (
            Call(
                "scheduling_create_booking",
                {
                    "slot": "full service the day after tomorrow at eleven",
                    "name": "Susan Clark",
                    "phone": "555-7720",
                },
            ),
        ),
    ),
    Step("Susan Clark", "At eleven, for Susan Clark. Shall I book it?", results="Shall I book"),
    Step("yes", (Call("confirm"),)),
    Step("yes", "Done, it is booked. Anything else?", results="booked"),
    Step("goodbye", (Call("end_conversation"),)),
)


async def scripted_demo(script: Sequence[Step], *arguments: str) -> tuple[Report, str]:
    """Run the demo for the bicycle shop, whose model plays a script."""
    require_installed(LoadOptions(llm=False))
    model = ScriptedModel()
    model.play(*script)
    async with serve_model(model) as url:
        environment = {
            "LLM_MODEL": "openai/scripted",
            "OPENAI_API_BASE": url,
            "OPENAI_API_KEY": "scripted",
        }
        report, progress = await demo(["--bots", str(BICYCLE), *arguments], environment)
    model.assert_done()
    return report, progress


@pytest.mark.timeout(400)
@pytest.mark.room
async def test_a_business_of_another_trade_is_called_with_recordings_of_its_own() -> None:
    first, *_, last = [name for name in recordings("first") if name != "--wav"]
    report, _ = await scripted_demo((SCRIPT[0], SCRIPT[-1]), "--wav", first, "--wav", last)
    assert caller_error(report) <= 0.10
    assert agent_error(report) <= 0.15
    assert report.agent_hung_up
    said = [entry["text"] for entry in report.transcript if entry["role"] == "agent"]
    assert "A full service costs 89 euros." in said


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.room
@pytest.mark.parametrize("voice", ["first", "second"])
async def test_a_business_of_another_trade_is_served_as_its_file_says(voice: str) -> None:
    expectations = CallFile.read(FIXTURES / "bicycle.calls.yaml")
    began = datetime.now(UTC)
    report, progress = await scripted_demo(SCRIPT, *recordings(voice))
    assert expectations.problems(report, began) == []
    assert caller_error(report) <= 0.10
    assert agent_error(report) <= 0.15
    assert report.agent_hung_up
    assert [entry["role"] for entry in report.transcript].count("user") == 5
    assert "scheduling.create_booking" in progress.replace("\n", "")


@pytest.mark.alone
@pytest.mark.timeout(400)
@pytest.mark.model
@pytest.mark.room
async def test_the_demo_serves_its_caller_with_the_embedded_model() -> None:
    require_installed(LoadOptions())
    expectations = CallFile.read(FIXTURES / "demo-clinic.calls.yaml")
    began = datetime.now(UTC)
    report, _ = await demo([], {})
    assert report.providers == {"stt": "embedded", "llm": "embedded", "tts": "embedded"}
    assert expectations.problems(report, began) == []
    assert caller_error(report) <= 0.10
    assert agent_error(report) <= 0.15
    chosen = [c for c in report.tool_calls if c.server == "scheduling" and c.chosen_by == "model"]
    assert len(chosen) >= 2


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.model
@pytest.mark.room
async def test_a_business_of_another_trade_is_served_by_the_embedded_model() -> None:
    require_installed(LoadOptions())
    expectations = CallFile.read(FIXTURES / "bicycle.calls.yaml")
    problems: list[str] = []
    failed = 0
    for voice in ("first", "second"):
        began = datetime.now(UTC)
        report, _ = await demo(["--bots", str(BICYCLE), *recordings(voice)], {})
        found = expectations.problems(report, began)
        problems += found
        failed += len(failed_turns(found))
        assert caller_error(report) <= 0.10
        assert agent_error(report) <= 0.15
    assert failed <= 2, problems
