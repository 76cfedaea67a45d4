"""Rewrites OpenAI messages and tools as a short prompt for a small model.

The prompt is append-only, so that what the model has read stays valid from turn to turn:
instructions and tools come first, then the examples, and both are the same in every conversation
of a bot. Then comes the conversation, which begins with what differs by day and call. Values that
are allowed only now are in the grammar, never in the prompt.
"""

import json
from collections.abc import Sequence

from pydantic import JsonValue, TypeAdapter, ValidationError

from orchestrator.embedded.chat_request import Function, Message, ToolCall
from orchestrator.embedded.llm import Prompt, Turn
from orchestrator.embedded.signatures import SAY, SEPARATOR, Signature, format_argument

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
_HIDDEN_FIELDS = {"say", "status", "confirm"}
_MAX_FIELD = 400  # characters
# An interrupted reply is stored only as far as it was heard, so its beginning is compared.
_COMPARED = 40


def build_prompt(
    messages: Sequence[Message], functions: Sequence[Function], conversation_key: str | None = None
) -> Prompt:
    """Return the prompt; its last turn is the caller's, which the model is to answer.

    The first message is the bot's instructions, the same in every conversation of it.
    """
    instructions = messages[:1] if _is_instruction(messages[0]) else ()
    signatures = {each.name: each.signature for each in functions}
    conversation = _Conversation(signatures, [_system_turn(instructions, functions, signatures)])
    conversation.add_example(*_EXAMPLE[:2], f"{SAY} {_EXAMPLE[2]}")
    for function in functions:
        for example in function.parameters.examples:
            line = signatures[function.name].format_call(example.arguments)
            conversation.add_example(example.before, example.caller, line)
    prefix_length = len(conversation.finish())
    for message in messages[len(instructions) :]:
        conversation.add_message(message)
    turns = tuple(map(_without_marks, conversation.finish()))
    return Prompt(turns, prefix_length, conversation_key)


def build_plain_prompt(messages: Sequence[Message], conversation_key: str | None = None) -> Prompt:
    """Return the prompt of a conversation without tools."""
    roles = {"developer": "system", "tool": "user"}
    turns = [
        {"role": roles.get(message.role, message.role), "content": message.text}
        for message in messages
        if message.text
    ]
    return Prompt(tuple(map(_without_marks, turns)), conversation=conversation_key)


def _without_marks(turn: Turn) -> Turn:
    """Break the marks of turns, like `<|im_end|>`, in what callers, documents and tools say."""
    return {**turn, "content": turn["content"].replace("<|", "< |")}


class _Conversation:
    """Builds the turns; lines are collected until the next turn of the caller's is complete."""

    def __init__(self, signatures: dict[str, Signature], turns: list[Turn]) -> None:
        self._signatures = signatures
        self._turns = turns
        self._lines: list[str] = []
        self._words = ""
        self._words_pending = False
        self._spoken = ""

    def add_example(self, before: str, caller: str, answer: str) -> None:
        """Add an example of a tool: what stood before, what the caller said, the answer."""
        self._add_caller_turn([before] if before else [], caller)
        self._turns.append({"role": "assistant", "content": answer})

    def add_message(self, message: Message) -> None:
        """Add one message of the history."""
        match message.role:
            case "user":
                self._lines.append(f"Caller: {message.text}")
                self._words, self._words_pending = message.text, True
            case "system" | "developer":
                self._lines.append(message.text)
            case "tool":
                lines, self._spoken = _format_result(message.text)
                self._lines += lines
            case "assistant":
                self._add_assistant_message(message)

    def finish(self) -> list[Turn]:
        """Return the turns, with the collected lines in the last one."""
        if self._lines:
            self._flush()
        return self._turns

    def _add_assistant_message(self, message: Message) -> None:
        text = " ".join(message.text.split())
        # A result's own sentence was spoken without the model: it must not learn from it.
        repeated = text and self._spoken.startswith(text[:_COMPARED])
        self._spoken = ""
        if text and not repeated:
            self._add_assistant_turn(f"{SAY} {text}")
        for call in message.tool_calls or ():
            self._add_assistant_turn(self._format_call(call))

    def _add_assistant_turn(self, line: str) -> None:
        self._flush()
        self._turns.append({"role": "assistant", "content": line})

    def _flush(self) -> None:
        """End the caller's turn; after results alone, the caller's last words are repeated."""
        if self._words_pending:
            self._turns.append({"role": "user", "content": "\n".join(self._lines)})
        else:
            words = self._words if self._lines else ""
            self._add_caller_turn(self._lines, words or _SILENCE)
        self._lines, self._words_pending = [], False

    def _add_caller_turn(self, lines: list[str], words: str) -> None:
        content = "\n".join([*lines, f"Caller: {words}"])
        self._turns.append({"role": "user", "content": content})

    def _format_call(self, call: ToolCall) -> str:
        name, arguments = call.function.name, _parse_object(call.function.arguments) or {}
        if signature := self._signatures.get(name):
            return signature.format_call(arguments)
        return SEPARATOR.join([name, *map(format_argument, arguments.values())])


def _is_instruction(message: Message) -> bool:
    return message.role in ("system", "developer")


def _system_turn(
    instructions: Sequence[Message], functions: Sequence[Function], signatures: dict[str, Signature]
) -> Turn:
    tools = [
        f"- {_format_signature(signatures[each.name])}: {_first_line(each)}" for each in functions
    ]
    lines = [each.text for each in instructions] + [_RULE, "Tools:", *tools]
    return {"role": "system", "content": "\n".join([*lines, f"- {SAY}(text): answer the caller"])}


def _format_signature(signature: Signature) -> str:
    names = [f"{each.name}{'' if each.required else '?'}" for each in signature.parameters]
    return f"{signature.name}({', '.join(names)})"


def _first_line(function: Function) -> str:
    return function.description.strip().partition("\n")[0]


def _format_result(content: str) -> tuple[list[str], str]:
    """Return a tool's result as short lines, and the sentence in it that was spoken."""
    result = _parse_object(content)
    if result is None:
        return [f"Result: {_clip(content)}"], ""
    spoken = " ".join(str(result.get("say") or "").split())
    lines = [
        f"{key.replace('_', ' ').capitalize()}: {_clip(_format_value(value))}"
        for key, value in result.items()
        if key not in _HIDDEN_FIELDS and value not in (None, "", [], {})
    ]
    return lines or [f"Said: {spoken}" if spoken else "Result: done"], spoken


def _format_value(value: JsonValue) -> str:
    match value:
        case {"handle": handle, "label": label}:
            return f"{handle} {label}"
        case dict():
            return ", ".join(f"{key}: {_format_value(each)}" for key, each in value.items())
        case list():
            return SEPARATOR.join(map(_format_value, value))
        case _:
            return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _clip(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _MAX_FIELD else f"{flat[: _MAX_FIELD - 1]}…"


def _parse_object(text: str) -> dict[str, JsonValue] | None:
    try:
        return _OBJECT.validate_json(text)
    except ValidationError:
        return None
