"""Parses the line that the model generates into the deltas of an OpenAI stream."""

import json
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.embedded.signatures import SAY, SEPARATOR, Signature

Delta = dict[str, Any]

# Sent while a call's arguments are generated: they come whole at its end, which can take seconds.
_WRITING: Delta = {"tool_calls": [{"index": 0, "function": {"arguments": ""}}]}


class LineParser:
    """Parses one line: `say …` is passed on at once, a call once its name and end are known."""

    def __init__(self, signatures: Iterable[Signature]) -> None:
        self._signatures: Mapping[str, Signature] = {each.name: each for each in signatures}
        self._line = ""
        self._speech: WhitespaceTrimmer | None = None  # set once the line is a `say`
        self.tool: str | None = None

    def feed(self, text: str) -> list[Delta]:
        """Take in generated text; return the deltas that can be sent now."""
        self._line += text
        if self._speech:
            return _content_deltas(self._speech.feed(text))
        if self.tool:
            return [_WRITING]
        if self._line.startswith(f"{SAY} "):
            self._speech = WhitespaceTrimmer()
            return _content_deltas(self._speech.feed(self._line.removeprefix(f"{SAY} ")))
        name, separator, _ = self._line.partition(SEPARATOR)
        return self._start_call(name) if separator else []

    def end(self, *, cut_off: bool) -> list[Delta]:
        """Finish the line; the arguments of a call that was cut off stay invalid JSON."""
        if self._speech:
            return []
        name, *values = self._line.strip().split(SEPARATOR)
        deltas: list[Delta] = []
        if not self.tool and not cut_off:
            deltas += self._start_call(name)
        if self.tool:
            arguments = json.dumps(self._signatures[self.tool].parse_arguments(values))
            sent = arguments[:-1] if cut_off else arguments
            deltas.append({"tool_calls": [{"index": 0, "function": {"arguments": sent}}]})
        return deltas

    def _start_call(self, name: str) -> list[Delta]:
        if name not in self._signatures:
            return []
        self.tool = name
        call = {
            "index": 0,
            "id": f"call_{uuid.uuid4().hex[:12]}",
            "type": "function",
            "function": {"name": name, "arguments": ""},
        }
        return [{"tool_calls": [call]}]


class WhitespaceTrimmer:
    """Strips white space around streamed text: small models pad their answers."""

    def __init__(self) -> None:
        self._started = False
        self._pending = ""

    def feed(self, text: str) -> str:
        """Take in text; return what cannot be trailing white space."""
        text = self._pending + text
        if not self._started:
            text = text.lstrip()
        stripped = text.rstrip()
        self._pending = text[len(stripped) :]
        self._started = self._started or bool(stripped)
        return stripped


class TextParser:
    """Parses an answer to a request without tools: plain text."""

    tool: None = None

    def __init__(self) -> None:
        self._speech = WhitespaceTrimmer()

    def feed(self, text: str) -> list[Delta]:
        """Take in generated text; return the deltas that can be sent now."""
        return _content_deltas(self._speech.feed(text))

    def end(self, *, cut_off: bool) -> list[Delta]:
        """Finish; only white space was held back."""
        del cut_off
        return []


def join_deltas(deltas: Iterable[Delta]) -> dict[str, Any]:
    """Return the whole message that the deltas of one answer make up."""
    message: dict[str, Any] = {"role": "assistant", "content": None}
    for delta in deltas:
        if "content" in delta:
            message["content"] = (message["content"] or "") + delta["content"]
        for part in delta.get("tool_calls", ()):
            if "id" in part:
                call = {"id": part["id"], "type": "function", "function": dict(part["function"])}
                message.setdefault("tool_calls", []).append(call)
            else:
                function = message["tool_calls"][-1]["function"]
                function["arguments"] += part["function"]["arguments"]
    return message


def _content_deltas(text: str) -> list[Delta]:
    return [{"content": text}] if text else []
