"""The model's one line, as it is generated, turned into the deltas of an OpenAI stream."""

import json
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.embedded.signatures import SAY, SEPARATOR, Signature

Delta = dict[str, Any]


class Answer:
    """Reads one line: `say …` becomes content at once, a call when its name and end are known."""

    def __init__(self, signatures: Iterable[Signature]) -> None:
        self._signatures: Mapping[str, Signature] = {each.name: each for each in signatures}
        self._line = ""
        self._spoken: Trimmed | None = None
        self.tool: str | None = None

    def feed(self, text: str) -> list[Delta]:
        """Take generated text, return what can be sent on."""
        self._line += text
        if self._spoken:
            return _content(self._spoken.feed(text))
        if self.tool:
            return []
        if self._line.startswith(f"{SAY} "):
            self._spoken = Trimmed()
            return _content(self._spoken.feed(self._line.removeprefix(f"{SAY} ")))
        name, separator, _ = self._line.partition(SEPARATOR)
        return self._begin(name) if separator else []

    def end(self, *, cut_off: bool) -> list[Delta]:
        """Finish the line; a call that was cut off stays visibly unfinished JSON."""
        if self._spoken:
            return []
        name, *values = self._line.strip().split(SEPARATOR)
        deltas: list[Delta] = []
        if not self.tool and not cut_off:
            deltas += self._begin(name)
        if self.tool:
            arguments = json.dumps(self._signatures[self.tool].arguments(values))
            written = arguments[:-1] if cut_off else arguments
            deltas.append({"tool_calls": [{"index": 0, "function": {"arguments": written}}]})
        return deltas

    def _begin(self, name: str) -> list[Delta]:
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


class Trimmed:
    """Passes text on without the white space around it: small models pad their answers."""

    def __init__(self) -> None:
        self._begun = False
        self._held = ""

    def feed(self, text: str) -> str:
        """Return what is certain not to be trailing white space."""
        text = self._held + text
        if not self._begun:
            text = text.lstrip()
        certain = text.rstrip()
        self._held = text[len(certain) :]
        self._begun = self._begun or bool(certain)
        return certain


class PlainAnswer:
    """An answer without tools: text, as it comes."""

    tool: None = None

    def __init__(self) -> None:
        self._spoken = Trimmed()

    def feed(self, text: str) -> list[Delta]:
        """Take generated text, return what can be sent on."""
        return _content(self._spoken.feed(text))

    def end(self, *, cut_off: bool) -> list[Delta]:
        """Finish; nothing is held back but white space."""
        del cut_off
        return []


def joined(deltas: Iterable[Delta]) -> dict[str, Any]:
    """Put the deltas of one answer together into a whole message."""
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


def _content(text: str) -> list[Delta]:
    return [{"content": text}] if text else []
