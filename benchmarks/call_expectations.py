"""Holds the report of a call against the file that says what is spoken in it, and what follows.

tests/fixtures/README.md explains the files.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import yaml

from orchestrator.demo.report import Report, ToolCall
from orchestrator.demo.word_error_rate import normalize_words, word_error_rate

Json = Mapping[str, Any]

FIXTURES = Path(__file__).parents[1] / "tests" / "fixtures"
_READS = ("get_", "list_", "search_", "show_", "find_", "count_")


@dataclass(frozen=True)
class CallFile:
    """One call: the bot, the folders of its recordings by voice, its lines and what it leaves."""

    name: str
    declaration: Path
    recordings: Mapping[str, Path]
    lines: Sequence[Json]
    stored: Mapping[str, Sequence[Json]]
    zone: ZoneInfo

    @classmethod
    def read(cls, path: Path) -> "CallFile":
        """Read a file."""
        call = yaml.safe_load(path.read_text("utf-8"))
        bot = (path.parent / call["bot"]).resolve()
        folder = (path.parent / call["recordings"]).resolve()
        return cls(
            name=path.name.removesuffix(".calls.yaml"),
            declaration=bot,
            recordings={voice: folder / voice for voice in call["voices"]},
            lines=call["lines"],
            stored=call["stored"],
            zone=ZoneInfo(yaml.safe_load(bot.read_text("utf-8"))["business"]["time_zone"]),
        )

    def problems(self, report: Report, began: datetime) -> list[str]:
        """Return the differences from what is expected: `turn 3: …`, or `stored: …`."""
        return [
            f"turn {number}: {problem}"
            for number, line in enumerate(self.lines, 1)
            for problem in _TurnCheck(report, number, line).problems()
        ] + [f"stored: {problem}" for problem in self._stored_problems(report, began)]

    def _stored_problems(self, report: Report, began: datetime) -> list[str]:
        problems: list[str] = []
        for kind, expected in self.stored.items():
            records = list(report.records.get(kind, ()))
            for each in expected:
                matching = [record for record in records if self._matches(record, each, began)]
                if matching:
                    records.remove(matching[0])
                else:
                    problems.append(f"{kind}: there is no {each}")
            problems += [f"{kind}: {record} is not expected" for record in records]
        return problems

    def _matches(self, record: Json, expected: Json, began: datetime) -> bool:
        return all(
            self._has(record, name, wanted, expected, began) for name, wanted in expected.items()
        )

    def _has(self, record: Json, name: str, wanted: Any, expected: Json, began: datetime) -> bool:
        match name:
            case "days_ahead":
                return True  # together with the time
            case "time":
                starts = datetime.fromisoformat(str(record["starts_at"])).astimezone(self.zone)
                ahead = timedelta(days=int(expected["days_ahead"]))
                day = (began.astimezone(self.zone) + ahead).date()
                return f"{starts:%Y-%m-%d %H:%M}" == f"{day} {wanted}"
            case "subject":
                return _has_words(str(record.get("subject")), wanted)
            case "about":
                return _has_words(f"{record.get('subject')} {record.get('text')}", wanted)
            case "requester" | "phone" if "requester" in record:
                field = "name" if name == "requester" else "phone"
                return str(wanted).lower() in str(record["requester"].get(field)).lower()
            case _:
                return str(wanted).lower() in str(record.get(name)).lower()


@dataclass(frozen=True)
class _TurnCheck:
    """What one line of the caller's led to."""

    report: Report
    number: int
    line: Json

    def problems(self) -> list[str]:
        """Return what differs from what the line expects."""
        if sum(turn.role == "user" for turn in self.report.turns) < self.number:
            return ["was not heard"]
        answer = self._answer()
        if not answer:
            return ["was not answered"]
        return [*self._answer_problems(answer), *self._tool_problems()]

    def _answer_problems(self, answer: str) -> list[str]:
        line = self.line
        found = [passage for call in self._calls_so_far() for passage in _facts(call)]
        problems = [
            f"no passage holds {fact!r}"
            for fact in _listed(line.get("fact"))
            if not any(fact in passage for passage in found)
        ]
        if not _has_words(answer, line.get("answer", ())):
            problems.append(f"{line['answer']} is not in the answer {answer!r}")
        problems += [
            f"{each!r} is in the answer {answer!r}"
            for each in _listed(line.get("not_answer"))
            if _has_words(answer, [each])
        ]
        problems += [
            f"the answer states {name}: {answer!r}"
            for name in _listed(line.get("not_stated"))
            if re.search(_patterns()[name], answer, re.IGNORECASE)
        ]
        return problems

    def _tool_problems(self) -> list[str]:
        line = self.line
        chosen = [call for call in self.report.tool_calls if call.chosen_by == "model"]
        now = [call for call in chosen if call.turn in (None, self.number)]
        problems: list[str] = []
        if "tool" in line and not any(call.tool == line["tool"] for call in now):
            problems.append(f"the model did not choose {line['tool']}")
        for tool in _listed(line.get("no_tool")):
            if any(call.tool == tool and call.turn == self.number for call in chosen):
                problems.append(f"the model chose {tool}")
        if line.get("nothing_stored"):
            problems += [
                f"{call.tool} has written"
                for call in chosen
                if call.turn == self.number and call.outcome == "ok" and _writes(call)
            ]
        return problems

    def _answer(self) -> str:
        seen, answer = 0, list[str]()
        for turn in self.report.turns:
            if turn.role == "user":
                seen += 1
            elif seen == self.number:
                answer.append(" ".join(turn.text.split()))
        return " ".join(answer)

    def _calls_so_far(self) -> list[ToolCall]:
        return [call for call in self.report.tool_calls if (call.turn or 0) <= self.number]


def failed_turns(problems: Sequence[str]) -> set[int]:
    """Return the numbers of the turns with problems."""
    found = (re.match(r"turn (\d+):", each) for each in problems)
    return {int(match[1]) for match in found if match}


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


def _facts(call: ToolCall) -> Sequence[str]:
    return call.passages or () if call.server == "knowledge" else ()


def _writes(call: ToolCall) -> bool:
    return call.server != "knowledge" and not call.tool.startswith(_READS)


def _listed(value: Any) -> list[str]:
    if value is None:
        return []
    entries: list[Any] = [*value] if isinstance(value, list) else [value]
    return [str(each) for each in entries]


def _has_words(text: str, expected: Any) -> bool:
    """Return whether a text has each entry; of an entry that is a list, one member is enough."""
    words = _phrase(text)
    entries: list[Any] = [*expected] if isinstance(expected, list | tuple) else [expected]
    return all(any(_phrase(each) in words for each in _listed(entry)) for entry in entries)


def _phrase(text: str) -> str:
    return f" {' '.join(normalize_words(text))} "


@cache
def _patterns() -> Mapping[str, str]:
    written = (FIXTURES / "answer_patterns.yaml").read_text("utf-8")
    patterns: dict[str, str] = yaml.safe_load(written)
    return patterns
