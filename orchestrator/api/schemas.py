"""The models of requests and responses. Their names are those of the OpenAPI document."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    SecretStr,
    StringConstraints,
    model_validator,
)
from pydantic.json_schema import SkipJsonSchema

from config.automations import Description, ScenarioId, check_target
from config.bot_settings import ServerUse
from config.declarations.schema import Name
from config.protocol import CallOutcome, ChosenBy, EndReason
from config.value_schema import Takes
from orchestrator.mcp_client.external.pinning import Reason
from orchestrator.mcp_client.external.registration import HeaderName, NewName, Url

_MAX_METADATA = 4096  # bytes; it travels in the token, and that in an address


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("It must not contain NUL")
    return text


def _bounded(metadata: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(metadata)) > _MAX_METADATA:
        raise ValueError(f"It must not be larger than {_MAX_METADATA} bytes")
    return metadata


Unset = SkipJsonSchema[None]  # may be left out
Short = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_storable)]
Text = Annotated[str, StringConstraints(max_length=20_000), AfterValidator(_storable)]
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
Index = Annotated[int, Field(ge=0, lt=2**31)]
Confidence = Annotated[float, Field(ge=0, le=1)]
Direction = Literal["inbound", "outbound"]
Status = Literal["active", "ended"]
Metadata = Annotated[
    dict[Short, Text | int | float | bool], Field(max_length=20), AfterValidator(_bounded)
]


class RequestModel(BaseModel):
    """Base of request models: an unknown field is an error."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False
    )


class ResponseModel(BaseModel):
    """Base of response models. Fields that an MCP server adds to its answer are left out."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class StartSession(RequestModel):
    """A caller wants to talk. Without an API key, `business` names whose bot it is."""

    bot: Name
    business: Name | Unset = None
    identifier: Short | Unset = Field(
        default=None, description="Who the caller is to the business. Needs an API key."
    )
    direction: Direction = "inbound"
    metadata: Metadata | Unset = Field(
        default=None, description="Handed to the agent that takes the call."
    )
    language: Language | Unset = None
    ticket: UUID | Unset = Field(
        default=None, description="Of an earlier answer that was `queued`: it keeps the place."
    )


class SessionQueued(ResponseModel):
    """All agents are busy: ask again after `retry_after` seconds, with the ticket."""

    status: Literal["queued"] = "queued"
    place: int = Field(description="1 for the caller who is next.")
    retry_after: int
    ticket: UUID


class IceServer(ResponseModel):
    """A STUN or TURN server, as a browser's RTCPeerConnection takes it."""

    urls: str


class BotName(ResponseModel):
    """A bot, as far as its callers know it."""

    name: str


class Room(ResponseModel):
    """A room, and what opens it for ten minutes."""

    conversation_id: UUID
    room_name: str
    livekit_url: str
    token: str


class SessionStarted(Room):
    """A room where the agent is on its way. `conversation_token` reads what is said there."""

    conversation_token: str
    ice_servers: list[IceServer]
    bot: BotName


class OfConversation(RequestModel):
    """Which conversation."""

    conversation_id: UUID


class ListConversations(RequestModel):
    """Which page of which conversations, newest first."""

    limit: Annotated[int, Field(ge=1, le=50)] = 20
    before: UUID | Unset = Field(
        default=None, description="The `next_before` of the page before this one."
    )
    status: Status | Unset = None
    bot: Name | Unset = None


class Conversation(ResponseModel):
    """A conversation."""

    conversation_id: UUID
    status: Status
    direction: Direction
    started_at: AwareDatetime
    ended_at: AwareDatetime | None = None
    bot_id: UUID | None = None
    session_id: UUID | None = None
    room_name: str | None = None
    room_sid: str | None = None
    agent_job_id: str | None = None
    language: str | None = Field(default=None, description="What the caller asked for.")
    detected_language: str | None = Field(
        default=None, description="What the caller spoke last, where it was recognized."
    )
    end_reason: EndReason | None = None
    metadata: Mapping[str, str | int | float | bool] = Field(
        default_factory=dict[str, str | int | float | bool],
        description="What it was started with.",
    )


class Conversations(ResponseModel):
    """A page of conversations; `next_before` is the `before` of the next page."""

    conversations: list[Conversation]
    next_before: UUID | None = None


class AgentJoined(RequestModel):
    """Which job took the call, and in which room."""

    room_sid: Short
    job_id: Short


class NewTurn(RequestModel):
    """What the caller said. Left out, `order_index` is the next that is free."""

    transcript: Text
    stt_provider: Short
    detected_language: Language | Unset = None
    stt_confidence: Confidence | Unset = None
    order_index: Index | Unset = None


class NewResponse(RequestModel):
    """What the agent answered. Left out, `order_index` is the next that is free."""

    response_text: Text
    llm_provider: Short | Unset = None
    tts_provider: Short | Unset = None
    voice_id: Short | Unset = None
    language: Language | Unset = None
    interrupted: bool = False
    order_index: Index | Unset = None


class Recorded(ResponseModel):
    """Where something that was said is stored."""

    conversation_id: UUID
    order_index: int


class Entry(ResponseModel):
    """One thing that was said."""

    role: Literal["user", "agent"]
    text: str
    language: str | None = None
    created_at: AwareDatetime
    order_index: int
    interrupted: bool = False


class Turn(ResponseModel):
    """What the caller said and what was answered. A greeting is a turn without a user."""

    order_index: int
    user: Entry | None = None
    responses: list[Entry]


class ToolCallSummary(ResponseModel):
    """A tool call, as far as the caller of the conversation sees it."""

    server: str
    tool: str
    outcome: CallOutcome
    ms: float
    user_turn_index: int | None = Field(
        default=None, description="The turn of the caller's that it was made for, where known."
    )
    called_at: AwareDatetime


class ToolCall(ToolCallSummary):
    """A tool call, without secrets; what is too long is cut, with `…` in the place of the rest."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "order_index": 0,
                    "user_turn_index": 3,
                    "server": "scheduling",
                    "tool": "create_booking",
                    "arguments": {"slot": "tue-15-00", "name": "Mary Brown"},
                    "said": "It is booked: garden tour, Tuesday at three.",
                    "outcome": "ok",
                    "ms": 84.2,
                    "chosen_by": "model",
                    "called_at": "2026-03-02T10:00:07Z",
                }
            ]
        }
    )

    order_index: int = Field(description="Its place among the tool calls, from 0.")
    chosen_by: ChosenBy
    arguments: Mapping[str, JsonValue]
    said: str


class EndConversation(RequestModel):
    """Why it is over."""

    reason: EndReason = "ended_by_api"


class ExportFormat(RequestModel):
    """What kind of file."""

    format: Literal["json", "csv", "text"] = "json"


class Retrieve(RequestModel):
    """A question to the documents of a bot, which may be named by its conversation."""

    query: Annotated[str, StringConstraints(min_length=1, max_length=1000)]
    conversation_id: UUID | Unset = None
    bot: Name | Unset = None
    top_k: Annotated[int, Field(ge=1, le=10)] = 5


class Passage(ResponseModel):
    """A piece of a document."""

    text: str
    source: str
    score: float


class Passages(ResponseModel):
    """What may answer the question, best first."""

    passages: list[Passage]


class ExecuteTool(RequestModel):
    """A tool call for one bot, which `bot`, `bot_id` or `conversation_id` names."""

    tool_key: Annotated[
        str, StringConstraints(pattern=r"^[a-z][a-z0-9]{0,31}(_[A-Za-z0-9_.-]{1,128})?$")
    ]
    params: dict[str, JsonValue] = Field(default_factory=dict)
    bot: Name | Unset = None
    bot_id: UUID | Unset = None
    business_id: UUID | Unset = None
    conversation_id: UUID | Unset = None
    idempotency_key: Short | Unset = Field(
        default=None, description="A write that is repeated with the same key is done once."
    )


class ToolResult(ResponseModel):
    """What a tool answered: as data, and as the text that a model reads."""

    result: Mapping[str, JsonValue]
    text: str
    say: str | None = None
    is_error: bool = False  # an external server's tool says no


class AddServer(RequestModel):
    """An MCP server that somebody else runs. The headers' values are stored sealed."""

    name: NewName
    url: Url
    headers: Annotated[dict[HeaderName, SecretStr], Field(max_length=20)] = Field(
        default_factory=dict
    )


class AcceptTools(RequestModel):
    """Which tools are accepted as they are now; all, if none is named."""

    tools: Annotated[list[Short], Field(max_length=500)] = Field(default_factory=list)


class ServerTool(ResponseModel):
    """A tool that bots may be offered."""

    name: str
    description: str
    reads: bool


class WithheldTool(ResponseModel):
    """A tool that no bot is offered, and what it says of itself now."""

    name: str
    reason: Reason
    description: str


class ServerEntry(ResponseModel):
    """A server. One that does not answer shows no tools; `url` is without its query."""

    name: str
    kind: Literal["builtin", "external"]
    url: str | None = None
    answers: bool = True
    tools: list[ServerTool] = Field(default_factory=list[ServerTool])
    withheld: list[WithheldTool] = Field(default_factory=list[WithheldTool])


class ServerEntries(ResponseModel):
    """The servers that the bots of a business may use."""

    servers: list[ServerEntry]


class ServerUses(ResponseModel):
    """The servers that a bot names, and how it uses each."""

    servers: Mapping[str, ServerUse]


class StoreAutomation(RequestModel):
    """An automation: a Zap with a `hook`, or a `scenario` at Make. The hook's URL is stored sealed.

    Without `takes`, a Zap takes nothing, and what a scenario takes is read from Make.
    """

    name: Name
    integration: Name
    description: Description
    takes: Takes | Unset = None
    answers: bool = False
    hook: SecretStr | Unset = None
    scenario: ScenarioId | Unset = None

    @model_validator(mode="after")
    def _check_target(self) -> Self:
        check_target(self.hook is not None, self.scenario is not None, answers=self.answers)
        return self


class AutomationEntry(ResponseModel):
    """An automation. `takes` is a JSON Schema; the URL of a hook is never answered."""

    name: str
    integration: str
    provider: str
    description: str
    takes: dict[str, Any] | None = None
    answers: bool
    scenario: int | None = None


class AutomationEntries(ResponseModel):
    """What the bots of a business may start."""

    automations: list[AutomationEntry]


class Removed(ResponseModel):
    """What is gone."""

    removed: str


class Health(ResponseModel):
    """It works."""

    status: Literal["ok"] = "ok"
