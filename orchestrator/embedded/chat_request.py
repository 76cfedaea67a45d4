"""The body of an OpenAI chat completion request, as far as the embedded model supports it."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from orchestrator.embedded.signatures import SAY, Signature


class _Model(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)


class Part(_Model):
    """One part of a message's content; only text is understood."""

    type: Literal["text"]
    text: str


class CalledFunction(_Model):
    """A function that the assistant has called."""

    name: str
    arguments: str = "{}"


class ToolCall(_Model):
    """A call in the history."""

    function: CalledFunction


class Message(_Model):
    """One message of the history."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[Part] | None = None
    tool_calls: list[ToolCall] | None = None

    @property
    def text(self) -> str:
        """Return the text of the message, sent as a string or in parts."""
        if isinstance(self.content, list):
            return " ".join(part.text for part in self.content)
        return self.content or ""


class Example(_Model):
    """An example of a call: what stood before, what the caller said, the arguments."""

    caller: str
    before: str = ""
    arguments: dict[str, Any] = {}


class Parameters(_Model):
    """The JSON schema of a tool's arguments; `x-examples` are examples for a small model."""

    properties: dict[str, dict[str, Any]] = {}
    required: list[str] = []
    definitions: Annotated[dict[str, dict[str, Any]], Field(alias="$defs")] = {}
    examples: Annotated[list[Example], Field(alias="x-examples")] = []


class Function(_Model):
    """A function that the model may call."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    description: str = ""
    parameters: Parameters = Parameters()

    @property
    def signature(self) -> Signature:
        """Return the signature that the small model sees."""
        schema = self.parameters
        return Signature.from_schema(
            self.name, schema.properties, schema.required, schema.definitions
        )


class Tool(_Model):
    """A tool; functions are the only kind."""

    type: Literal["function"]
    function: Function


class NamedFunction(_Model):
    """The name of a listed function."""

    name: str


class NamedTool(_Model):
    """A reference to a listed tool; as `tool_choice`, the tool that must be called."""

    type: Literal["function"] = "function"
    function: NamedFunction


class AllowedTools(_Model):
    """The listed tools that may be called now."""

    mode: Literal["auto", "required"] = "auto"
    tools: list[NamedTool]


class AllowedChoice(_Model):
    """A `tool_choice` that allows some of the listed tools; the list itself stays unchanged."""

    type: Literal["allowed_tools"]
    allowed_tools: AllowedTools


class ResponseFormat(_Model):
    """Plain text, any JSON, or JSON by a schema; passed on to llama.cpp unchanged."""

    model_config = ConfigDict(extra="allow")
    type: Literal["text", "json_object", "json_schema"]


class StreamOptions(_Model):
    """What a stream contains besides its deltas."""

    include_usage: bool = False


class ChatRequest(_Model):
    """A request for one answer, with the fields of OpenAI's API.

    `prompt_cache_key` names a conversation, whose requests come one after the other.
    """

    model: str = "local"
    messages: Annotated[list[Message], Field(min_length=1)]
    tools: list[Tool] = []
    tool_choice: Literal["auto", "none", "required"] | AllowedChoice | NamedTool | None = None
    response_format: ResponseFormat | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    n: Literal[1] | None = None
    prompt_cache_key: Annotated[str, Field(max_length=200)] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "ChatRequest":
        names = [tool.function.name for tool in self.tools]
        if len(names) != len(set(names)) or SAY in names:
            raise ValueError(f"tools need names that differ, and none may be called {SAY!r}")
        structured = self.response_format and self.response_format.type != "text"
        if self.tools and structured:
            raise ValueError("response_format cannot be combined with tools")
        permitted, may_speak = self.permitted
        if unknown := permitted.difference(names):
            raise ValueError(f"tool_choice names unlisted tools: {', '.join(sorted(unknown))}")
        if not permitted and not may_speak:
            raise ValueError("tool_choice leaves the model nothing to answer with")
        return self

    @property
    def permitted(self) -> tuple[frozenset[str], bool]:
        """Return the tools that may be called now, and whether the model may speak instead."""
        listed = frozenset(tool.function.name for tool in self.tools)
        match self.tool_choice:
            case NamedTool(function=function):
                names, may_speak = frozenset({function.name}), False
            case AllowedChoice(allowed_tools=allowed):
                names = frozenset(tool.function.name for tool in allowed.tools)
                may_speak = allowed.mode == "auto"
            case choice:
                names = frozenset[str]() if choice == "none" else listed
                may_speak = choice != "required"
        return names, may_speak
