"""OpenAI messages and tools, rewritten as a short prompt for a small model.

What is stable comes first, so that the model's prefix cache holds from turn to turn: the
instructions, the tools without the values allowed now (those are in the grammar alone), the
examples, then the conversation, which only ever grows at its end.
"""

import json
from collections.abc import Sequence
from itertools import takewhile

from pydantic import JsonValue, TypeAdapter, ValidationError

from orchestrator.embedded.chat_request import Function, Message, ToolCall
from orchestrator.embedded.signatures import SAY, SEPARATOR, Signature, written

Turn = dict[str, str]

_OBJECT = TypeAdapter(dict[str, JsonValue])
_RULE = (
    "Reply with one line: a tool and its arguments, or say and one short sentence to the caller."
)
_EXAMPLE = (
    "Facts: Lockers are free. A guided tour costs 12 euros.",
    "Hello, what does a guided tour cost?",
    "A guided tour costs 12 euros.",
)
_SILENCE = "(silence)"
_SPOKEN_OR_INTERNAL = {"say", "status", "confirm"}
_LONGEST_FIELD = 400
# An interrupted reply is kept only as far as it was heard, so its beginning has to do.
_RECOGNISED = 40


def prompt(messages: Sequence[Message], functions: Sequence[Function]) -> list[Turn]:
    """Return plain chat turns that end where the model is to answer."""
    instructions = list(takewhile(_instructs, messages))
    signatures = {each.name: each.signature for each in functions}
    conversation = _Conversation(signatures, [_system(instructions, functions, signatures)])
    conversation.show(*_EXAMPLE[:2], f"{SAY} {_EXAMPLE[2]}")
    for function in functions:
        for example in function.parameters.examples:
            line = signatures[function.name].line(example.arguments)
            conversation.show(example.before, example.caller, line)
    for message in messages[len(instructions) :]:
        conversation.add(message)
    return conversation.finished()


def plain(messages: Sequence[Message]) -> list[Turn]:
    """Return the turns of a conversation in which no tool is offered."""
    roles = {"developer": "system", "tool": "user"}
    return [
        {"role": roles.get(message.role, message.role), "content": message.text}
        for message in messages
        if message.text
    ]


class _Conversation:
    """Turns so far, and the lines that wait for the next turn of the caller's side."""

    def __init__(self, signatures: dict[str, Signature], turns: list[Turn]) -> None:
        self._signatures = signatures
        self._turns = turns
        self._waiting: list[str] = []
        self._words = ""
        self._words_wait = False
        self._spoken = ""

    def show(self, before: str, caller: str, answer: str) -> None:
        """Add one example."""
        self._caller_turn([before] if before else [], caller)
        self._turns.append({"role": "assistant", "content": answer})

    def add(self, message: Message) -> None:
        """Add one message of the history."""
        match message.role:
            case "user":
                self._waiting.append(f"Caller: {message.text}")
                self._words, self._words_wait = message.text, True
            case "system" | "developer":
                self._waiting.append(message.text)
            case "tool":
                lines, self._spoken = _result(message.text)
                self._waiting += lines
            case "assistant":
                self._assistant(message)

    def finished(self) -> list[Turn]:
        """Return the turns, the waiting lines in the last one."""
        if self._waiting:
            self._flush()
        return self._turns

    def _assistant(self, message: Message) -> None:
        text = " ".join(message.text.split())
        # A result's own sentence is spoken without the model: it is no answer to learn from.
        repeated = text and self._spoken.startswith(text[:_RECOGNISED])
        self._spoken = ""
        if text and not repeated:
            self._answer(f"{SAY} {text}")
        for call in message.tool_calls or ():
            self._answer(self._call(call))

    def _answer(self, line: str) -> None:
        self._flush()
        self._turns.append({"role": "assistant", "content": line})

    def _flush(self) -> None:
        """End the caller's turn; results alone are followed by the words they are to answer."""
        if self._words_wait:
            self._turns.append({"role": "user", "content": "\n".join(self._waiting)})
        else:
            words = self._words if self._waiting else ""
            self._caller_turn(self._waiting, words or _SILENCE)
        self._waiting, self._words_wait = [], False

    def _caller_turn(self, lines: list[str], words: str) -> None:
        content = "\n".join([*lines, f"Caller: {words}"])
        self._turns.append({"role": "user", "content": content})

    def _call(self, call: ToolCall) -> str:
        name, arguments = call.function.name, _object(call.function.arguments) or {}
        if signature := self._signatures.get(name):
            return signature.line(arguments)
        return SEPARATOR.join([name, *map(written, arguments.values())])


def _instructs(message: Message) -> bool:
    return message.role in ("system", "developer")


def _system(
    instructions: list[Message], functions: Sequence[Function], signatures: dict[str, Signature]
) -> Turn:
    tools = [f"- {_heading(signatures[each.name])}: {_purpose(each)}" for each in functions]
    lines = [each.text for each in instructions] + [_RULE, "Tools:", *tools]
    return {"role": "system", "content": "\n".join([*lines, f"- {SAY}(text): answer the caller"])}


def _heading(signature: Signature) -> str:
    names = [f"{each.name}{'' if each.required else '?'}" for each in signature.parameters]
    return f"{signature.name}({', '.join(names)})"


def _purpose(function: Function) -> str:
    return function.description.strip().partition("\n")[0]


def _result(content: str) -> tuple[list[str], str]:
    """Return a result in short lines, and the sentence that it has had spoken."""
    result = _object(content)
    if result is None:
        return [f"Result: {_clipped(content)}"], ""
    said = " ".join(str(result.get("say") or "").split())
    lines = [
        f"{key.replace('_', ' ').capitalize()}: {_clipped(_shown(value))}"
        for key, value in result.items()
        if key not in _SPOKEN_OR_INTERNAL and value not in (None, "", [], {})
    ]
    return lines or [f"Said: {said}" if said else "Result: done"], said


def _shown(value: JsonValue) -> str:
    match value:
        case {"handle": handle, "label": label}:
            return f"{handle} {label}"
        case dict():
            return ", ".join(f"{key}: {_shown(each)}" for key, each in value.items())
        case list():
            return SEPARATOR.join(map(_shown, value))
        case _:
            return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _clipped(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _LONGEST_FIELD else f"{flat[: _LONGEST_FIELD - 1]}…"


def _object(text: str) -> dict[str, JsonValue] | None:
    try:
        return _OBJECT.validate_json(text)
    except ValidationError:
        return None
