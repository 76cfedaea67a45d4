"""What the transcript tools take and answer."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
)
from pydantic.json_schema import SkipJsonSchema

from toolkit.middleware.results import Result

LONGEST_TEXT = 20_000  # characters; what is beyond is cut, because a lost turn would be worse
_YEARS = range(2000, 2100)  # the database can hold years that Python cannot read back


def storable(value: Any) -> Any:
    """Return a string as PostgreSQL can keep it: no NUL, no half of a surrogate pair."""
    if not isinstance(value, str):
        return value
    return value.replace("\x00", "").encode("utf-8", "replace").decode()


def _cut(text: str) -> str:
    return text[:LONGEST_TEXT]


def _plausible(moment: datetime) -> datetime:
    if moment.year not in _YEARS:
        raise ValueError("The year must be between 2000 and 2099")
    return moment.astimezone(UTC)


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


# These limits stay out of the schemas: who records is a program, and schemas cost tokens.
_STRING = WithJsonSchema({"type": "string"})
_INTEGER = WithJsonSchema({"type": "integer"})

Text = Annotated[str, BeforeValidator(storable), AfterValidator(_cut)]
Name = Annotated[str, Field(min_length=1, max_length=200), BeforeValidator(storable), _STRING]
Index = Annotated[int, Field(ge=0, lt=2**31), _INTEGER]
Page = Annotated[int, Field(ge=1, le=50), _INTEGER]
Number = Annotated[float, Field(allow_inf_nan=False)]
Happened = Annotated[AwareDatetime, AfterValidator(_plausible)]
Stored = Annotated[datetime, AfterValidator(_utc)]
Facts = Annotated[
    dict[Name, Name | int | Number | bool | None],
    Field(max_length=30),
    WithJsonSchema({"type": "object"}),
]
Unset = SkipJsonSchema[None]  # an argument that may be left out, without a null in its schema

Direction = Literal["inbound", "outbound"]
Status = Literal["active", "ended"]
Role = Literal["user", "agent"]


class UsageRow(BaseModel):
    """One request to a provider."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    provider: Name
    operation: Literal["stt", "tts", "llm", "embed"]
    request_id: Name
    metadata: Facts = {}


UsageRows = Annotated[list[UsageRow], Field(max_length=100)]


class ConversationView(Result):
    """A conversation; a list shows only its first five fields unless asked for more."""

    conversation_id: UUID
    status: Status
    direction: Direction
    started_at: Stored
    ended_at: Stored | None = None
    bot_id: UUID | None = None
    session_id: UUID | None = None
    room_name: str | None = None
    room_sid: str | None = None
    agent_job_id: str | None = None
    detected_language: str | None = None
    end_reason: str | None = None


class ConversationPage(Result):
    """Conversations, newest first; `next_before` is the `before` of the next page."""

    conversations: list[ConversationView]
    next_before: UUID | None = None


class Recorded(Result):
    """A turn that is stored."""

    conversation_id: UUID
    order_index: int


class UsageRecorded(Result):
    """How many rows were new."""

    new: int


class Entry(BaseModel):
    """One thing that was said."""

    model_config = ConfigDict(frozen=True)

    role: Role
    text: str
    language: str | None = None
    created_at: Stored
    order_index: int
    interrupted: Literal[True] | None = None


class Turn(BaseModel):
    """What the caller said and what was answered to it.

    A greeting answers nobody: it is a turn without a user.
    """

    model_config = ConfigDict(frozen=True)

    order_index: int
    user: Entry | None = None
    responses: list[Entry]


class Transcript(Result):
    """A conversation as entries in order, or as turns."""

    conversation_id: UUID
    entries: list[Entry] | None = None
    turns: list[Turn] | None = None


class Match(BaseModel):
    """A passage that was found, and where."""

    model_config = ConfigDict(frozen=True)

    conversation_id: UUID
    order_index: int
    role: Role
    created_at: Stored
    snippet: str


class Matches(Result):
    """Passages, newest first."""

    matches: list[Match]


class Export(Result):
    """A transcript as a file."""

    format: Literal["json", "csv", "text"]
    content: str
    mime_type: str
    filename: str
