"""What a call has to have come to, read from the file that says what is spoken in it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import yaml

from orchestrator.demo.report import Report
from orchestrator.demo.word_error_rate import normalised, word_error_rate

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Expectations:
    """The lines of a call, and the booking that is to come of it."""

    lines: list[Json]
    booking: Json
    zone: ZoneInfo

    @classmethod
    def read(cls, calls: Path, declaration: Path) -> "Expectations":
        """Read a call's file and the declaration that it calls."""
        spoken = yaml.safe_load(calls.read_text())
        zone = yaml.safe_load(declaration.read_text())["business"]["time_zone"]
        return cls(spoken["lines"], spoken["booking"], ZoneInfo(zone))

    def wrong(self, report: Report, began: datetime) -> list[str]:
        """Return what is not as it should be, turn by turn."""
        return [
            f"turn {number}: {problem}"
            for number, line in enumerate(self.lines, 1)
            for problem in self._wrong_in(line, number, report)
        ] + self._wrong_booking(report, began)

    def wrong_turns(self, report: Report, began: datetime) -> set[int]:
        """Return the numbers of the turns that went wrong."""
        return {int(each.split()[1].rstrip(":")) for each in self.wrong(report, began)}

    def _wrong_in(self, line: Json, number: int, report: Report) -> list[str]:
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
        if "answer" in line and not set(normalised(str(line["answer"]))) <= set(normalised(answer)):
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

    def _wrong_booking(self, report: Report, began: datetime) -> list[str]:
        tools = [line.get("tool") for line in self.lines]
        turn = tools.index("create_booking") + 1
        if report.booking is None:
            return [f"turn {turn}: nothing was booked"]
        day = (began.astimezone(self.zone) + timedelta(days=self.booking["days_ahead"])).date()
        starts = datetime.fromisoformat(str(report.booking["starts_at"]))
        wanted = {**self.booking, "time": f"{day} {self.booking['time']}"}
        got = {**report.booking, "time": f"{starts.astimezone(self.zone):%Y-%m-%d %H:%M}"}
        return [
            f"turn {turn}: {name} is {got.get(name)!r}, not {value!r}"
            for name, value in wanted.items()
            if name != "days_ahead" and str(got.get(name)).lower() != str(value).lower()
        ]


def report_of(printed: bytes) -> Report:
    """Read what `antiphon demo --json` printed: one JSON document, and nothing else."""
    return Report.model_validate(cast("dict[str, Any]", json.loads(printed)))


def caller_error(report: Report) -> float:
    """Return the word error rate over all that the caller said."""
    pairs = [
        (turn.played.text, turn.text)
        for turn in report.turns
        if turn.role == "user" and turn.played and turn.played.text
    ]
    return word_error_rate(pairs)


def agent_error(report: Report) -> float:
    """Return the word error rate over all that the caller heard."""
    return word_error_rate([(each.said, each.heard) for each in report.heard_back])
