"""Checks the report of a demo call against the file that says what is spoken in it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import yaml

from orchestrator.demo.report import Report
from orchestrator.demo.word_error_rate import normalize_words, word_error_rate

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Expectations:
    """The expected lines of a call, and the expected booking."""

    lines: list[Json]
    booking: Json
    zone: ZoneInfo

    @classmethod
    def read(cls, calls: Path, declaration: Path) -> "Expectations":
        """Read the file of a call, and the declaration of its business."""
        expected = yaml.safe_load(calls.read_text())
        zone = yaml.safe_load(declaration.read_text())["business"]["time_zone"]
        return cls(expected["lines"], expected["booking"], ZoneInfo(zone))

    def problems(self, report: Report, began: datetime) -> list[str]:
        """Return the differences from what is expected, turn by turn."""
        return [
            f"turn {number}: {problem}"
            for number, line in enumerate(self.lines, 1)
            for problem in self._turn_problems(line, number, report)
        ] + self._booking_problems(report, began)

    def failed_turns(self, report: Report, began: datetime) -> set[int]:
        """Return the numbers of the turns with problems."""
        return {int(each.split()[1].rstrip(":")) for each in self.problems(report, began)}

    def _turn_problems(self, line: Json, number: int, report: Report) -> list[str]:
        users = [turn for turn in report.turns if turn.role == "user"]
        if len(users) < number:
            return ["was not heard"]
        problems: list[str] = []
        answer = self._answer_after(number, report)
        if not answer:
            problems.append("was not answered")
        if "fact" in line and not any(
            line["fact"] in passage
            for call in report.tool_calls
            if call.server == "knowledge"
            for passage in call.passages or ()
        ):
            problems.append(f"no passage holds {line['fact']!r}")
        words = set(normalize_words(str(line.get("answer", ""))))
        if not words <= set(normalize_words(answer)):
            problems.append(f"{line['answer']} is not in the answer {answer!r}")
        if "tool" in line and not any(
            call.tool == line["tool"] and call.chosen_by == "model" for call in report.tool_calls
        ):
            problems.append(f"the model did not choose {line['tool']}")
        return problems

    def _answer_after(self, number: int, report: Report) -> str:
        seen = 0
        for turn in report.turns:
            if turn.role == "user":
                seen += 1
            elif seen == number:
                return turn.text
        return ""

    def _booking_problems(self, report: Report, began: datetime) -> list[str]:
        tools = [line.get("tool") for line in self.lines]
        turn = tools.index("create_booking") + 1
        if report.booking is None:
            return [f"turn {turn}: nothing was booked"]
        day = (began.astimezone(self.zone) + timedelta(days=self.booking["days_ahead"])).date()
        starts = datetime.fromisoformat(str(report.booking["starts_at"]))
        expected = {**self.booking, "time": f"{day} {self.booking['time']}"}
        actual = {**report.booking, "time": f"{starts.astimezone(self.zone):%Y-%m-%d %H:%M}"}
        return [
            f"turn {turn}: {name} is {actual.get(name)!r}, not {value!r}"
            for name, value in expected.items()
            if name != "days_ahead" and str(actual.get(name)).lower() != str(value).lower()
        ]


def parse_report(printed: bytes) -> Report:
    """Read the output of `antiphon demo --json`: one JSON document, and nothing else."""
    return Report.model_validate(cast("dict[str, Any]", json.loads(printed)))


def caller_error(report: Report) -> float:
    """Return the word error rate of the caller's speech, as the agent heard it."""
    pairs = [
        (turn.played.text, turn.text)
        for turn in report.turns
        if turn.role == "user" and turn.played and turn.played.text
    ]
    return word_error_rate(pairs)


def agent_error(report: Report) -> float:
    """Return the word error rate of the agent's speech, as the caller heard it."""
    return word_error_rate([(each.said, each.heard) for each in report.heard_back])
