"""Prints the events of a demonstration call, line by line."""

import time
from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from orchestrator.demo.report import Report

_PARTS = ("hearing", "endpointing", "retrieval", "model", "tools", "speech", "filler", "ours")
_FIGURES = ("first_sound", "answer", *_PARTS, "transport")


class Timeline:
    """Prints events as they come, with the seconds since the start."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started = time.monotonic()

    def step(self, text: str) -> None:
        """Print a step of the setup."""
        self._print("dim", "·", escape(text))

    def caller(self, file: str, text: str | None) -> None:
        """Print what the caller is about to say."""
        self._print("cyan", "caller", escape(text or file))

    def event(self, event: Mapping[str, Any]) -> None:
        """Print one event of the call; unknown types are ignored."""
        match event["type"]:
            case "transcript" if event["speaker"] == "user":
                self._print("cyan", "heard", escape(str(event["text"])))
            case "transcript":
                self._print("green", "agent", escape(str(event["text"])))
            case "retrieval":
                passages = " | ".join(event.get("passages", ()))
                self._print("magenta", "retrieval", f"{_format_call(event)} → {escape(passages)}")
            case "agent_tool_call":
                self._print("yellow", "tool", f"{_format_call(event)} → {event['outcome']}")
            case "latency":
                parts = event["seconds"]
                text = ", ".join(f"{name} {parts[name]:.2f}" for name in _PARTS if name in parts)
                sounds = f"first sound {parts['first_sound']:.2f} s, answer {parts['answer']:.2f} s"
                self._print("dim", "latency", f"{sounds}: {text}")
            case "queued":
                place = f"all agents are busy: number {event['place']} in the queue"
                self._print("dim", "·", place)
            case "interruption":
                self._print("dim", "·", "the caller interrupted")
            case _:
                pass

    def summary(self, report: Report) -> None:
        """Print each answer's latency, the tool calls, the booking, and the error rates."""
        answers = [turn.latency for turn in report.turns if turn.latency]
        numbers = (str(number) for number in range(1, len(answers) + 1))
        title = "What the caller waited for, and where the time went, in seconds"
        table = Table("turn", *numbers, title=title, box=SIMPLE, padding=0)
        for name in _FIGURES:
            cells = (f" {answer[name]:.2f}" if name in answer else "" for answer in answers)
            table.add_row(name.replace("_", " "), *cells)
        self._console.print(table)
        for call in report.tool_calls:
            turn = f"turn {call.turn}: " if call.turn else ""
            text = escape(f"{turn}{_format_call(call.model_dump())} → {call.outcome}")
            self._console.print(text, highlight=False)
        if report.booking:
            self._console.print(f"booking: {report.booking}", highlight=False)
        if report.engine:
            self._console.print(f"language model: embedded, on {report.engine}", highlight=False)
        for name, rate in report.speech.model_dump().items():
            if rate is not None:
                self._console.print(f"{name}: {rate:.1%}")
        self._console.print(f"transcript: {report.transcript_url}")

    def _print(self, colour: str, label: str, text: str) -> None:
        seconds = time.monotonic() - self._started
        self._console.print(
            f"[dim]{seconds:7.2f}[/] [{colour}]{label:>9}[/] {text}", highlight=False
        )


def _format_call(event: Mapping[str, Any]) -> str:
    arguments = ", ".join(f"{name}={value!r}" for name, value in event["arguments"].items())
    ms = event["ms"]
    return escape(f"{event['server']}.{event['tool']}({arguments}) {ms:.0f} ms")
