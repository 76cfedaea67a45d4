"""The demonstration of a bot that publishes no events: its tool calls, its booking, its latency."""

from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from orchestrator.admin.api_keys import create_api_key
from orchestrator.admin.declarations import apply_file
from orchestrator.agent.fillers import all_sentences
from orchestrator.demo.conversation import CallTarget, run_call
from orchestrator.demo.records import find_records
from orchestrator.demo.script import Utterance
from orchestrator.demo.timeline import Timeline
from tests.support.callers import CallerVoice
from tests.support.deployment import SharedDeployment
from tests.support.language_models import Model
from tests.support.scripted_model import Call, Step

pytestmark = pytest.mark.room

FILLER = "One moment, please."
_DECLARATION = """
business: {slug: ferry, name: Island Ferry, time_zone: Europe/Lisbon}
calendars:
  - name: boats
    services:
      - {id: tour, name: island tour, minutes: 60}
      - {id: crossing, name: crossing, minutes: 30}
    hours: {mon-sun: "09:00-18:00"}
bots:
  - name: harbour
    system_prompt: You answer the phone of a ferry.
    first_message_inbound: Island ferry, hello.
    llm: [openai/harbour]
    stt: embedded
    tts: embedded
    soft_timeout_seconds: 1
    client_events: []
    servers:
      scheduling:
        integration: boats
        tools: [get_available_slots, create_booking]
"""


class Listening(Timeline):
    """A timeline that lets the model answer once its filler has been heard."""

    def __init__(self, model: Model) -> None:
        self.printed = StringIO()
        super().__init__(Console(file=self.printed, width=200))
        self._model = model

    def event(self, event: Mapping[str, Any]) -> None:
        """Take an event of the call."""
        super().event(event)
        if event.get("text", "").strip() == FILLER:
            self._model.answering.set()


async def test_a_bot_without_events_shows_calls_booking_and_latency(
    deployment: SharedDeployment, models_url: str, tmp_path: Path
) -> None:
    """Long because one call shows all of it."""
    file = tmp_path / "ferry.yaml"
    file.write_text(_DECLARATION, encoding="utf-8")
    await apply_file(deployment.settings, file)
    model = deployment.models["harbour"]
    model.play(
        Step("leave|bags", "In the ticket office."),
        Step(
            "book|tour",
            [
                Call(
                    "scheduling_create_booking",
                    {"slot": "island tour tomorrow at three", "name": "Mary Brown"},
                )
            ],
        ),
        Step("book|tour", "It is booked. Goodbye.", results="booked"),
    )
    model.answering.clear()
    voice = CallerVoice(models_url)
    words = ("Where can I leave my bags?", "Please book the island tour tomorrow at three.")
    script = [Utterance(f"{n}.wav", text, await voice.say(text)) for n, text in enumerate(words)]
    timeline = Listening(model)
    key = await create_api_key(deployment.settings, "ferry", "demo")
    target = CallTarget(deployment.api_url, "ferry", "harbour", key, None, {}, all_sentences())

    report = await run_call(target, script, timeline)
    (booking,) = (await find_records(deployment.settings, report))["bookings"]
    timeline.summary(report.model_copy(update={"booking": booking}))

    model.script.assert_done()
    (call,) = report.tool_calls
    assert (call.server, call.tool, call.outcome) == ("scheduling", "create_booking", "ok")
    assert call.arguments["name"] == "Mary Brown"
    assert call.turn == 2
    assert (booking["service"], booking["name"]) == ("island tour", "Mary Brown")

    first, second = [turn.latency or {} for turn in report.turns if turn.role == "agent"][1:]
    assert set(first) == set(second) == {"first_sound", "answer"}
    assert first["answer"] - first["first_sound"] > 1
    assert report.unanswered == 0
    shown = timeline.printed.getvalue()
    assert "turn 2: scheduling.create_booking" in shown
    assert "first sound" in shown
    assert "booking: {" in shown
