"""The types of the tools' arguments.

Limits stay out of the JSON schemas: the client that records is a program, and schemas cost tokens.
"""

import json
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, cast
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

from config.protocol import CallOutcome, ChosenBy, EndReason, to_call_outcome
from config.redaction import kept_arguments, kept_text
from config.text import storable

MAX_TEXT_LENGTH = 20_000  # characters; the rest is cut, because a lost turn would be worse
_MAX_METADATA = 4096  # bytes of JSON
_YEARS = range(2000, 2100)  # PostgreSQL stores years that Python cannot read back


def to_storable(value: Any) -> Any:
    """Return a string that PostgreSQL can store; anything else is not a string."""
    return storable(value) if isinstance(value, str) else value


def _truncate(text: str) -> str:
    return text[:MAX_TEXT_LENGTH]


def _check_year(time: datetime) -> datetime:
    if time.year not in _YEARS:
        raise ValueError("The year must be between 2000 and 2099")
    return time.astimezone(UTC)


def _check_size(metadata: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(metadata)) > _MAX_METADATA:
        raise ValueError(f"It must not be larger than {_MAX_METADATA} bytes")
    return metadata


def _keep_arguments(value: Any) -> Any:
    return kept_arguments(cast("dict[str, Any]", value)) if isinstance(value, dict) else value


def _keep_text(value: Any) -> Any:
    return kept_text(value) if isinstance(value, str) else value


def _to_call_outcome(value: Any) -> Any:
    return to_call_outcome(value) if isinstance(value, str) else value


_STRING = WithJsonSchema({"type": "string"})
_INTEGER = WithJsonSchema({"type": "integer"})

Text = Annotated[str, BeforeValidator(to_storable), AfterValidator(_truncate)]
Name = Annotated[str, Field(min_length=1, max_length=200), BeforeValidator(to_storable), _STRING]
SearchText = Annotated[Name, Field(description='Words or a "phrase".')]
Index = Annotated[int, Field(ge=0, lt=2**31), _INTEGER]
PageSize = Annotated[int, Field(ge=1, le=50), _INTEGER]
Number = Annotated[float, Field(allow_inf_nan=False)]
Time = Annotated[AwareDatetime, AfterValidator(_check_year)]
Reason = Annotated[EndReason, _STRING]
Chooser = Annotated[ChosenBy, _STRING]
Operation = Annotated[Literal["stt", "tts", "llm", "embed"], _STRING]
Unset = SkipJsonSchema[None]  # an argument that may be left out, without a null in its schema

Detail = Literal["short", "full"]
TranscriptView = Literal["entries", "turns"]

# Of a tool call that was made, which is stored as far as it can be.
LoggedArguments = Annotated[
    dict[str, Any], BeforeValidator(_keep_arguments), WithJsonSchema({"type": "object"})
]
LoggedText = Annotated[str, BeforeValidator(_keep_text)]
LoggedOutcome = Annotated[CallOutcome, BeforeValidator(_to_call_outcome), _STRING]
CallerMetadata = Annotated[
    dict[Name, Text | int | Number | bool],
    Field(max_length=20),
    AfterValidator(_check_size),
    WithJsonSchema({"type": "object"}),
]
UsageMetadata = Annotated[
    dict[Name, Name | int | Number | bool | None],
    Field(max_length=30),
    WithJsonSchema({"type": "object"}),
]


def _drop_description(schema: dict[str, Any]) -> None:
    del schema["description"]


class UsageRow(BaseModel):
    """One request to a provider."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        json_schema_extra=_drop_description,
    )

    provider: Name
    operation: Operation
    request_id: Name
    metadata: UsageMetadata = {}


UsageRows = Annotated[list[UsageRow], Field(max_length=100)]


class ToolCallEntry(BaseModel):
    """One tool call that the agent has made; each `call_id` counts once."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        json_schema_extra=_drop_description,
    )

    call_id: UUID
    server: Name
    tool: Name
    arguments: LoggedArguments
    said: LoggedText
    outcome: LoggedOutcome
    ms: Number
    chosen_by: Chooser = "model"
    user_turn_index: Index | Unset = None
    called_at: Time | Unset = None


class _TurnLog(BaseModel):
    """What led to a response, in the form of `append_tool_call` and of `record_usage`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    tool_calls: Annotated[tuple[ToolCallEntry, ...], Field(max_length=100)] = ()
    usage: Annotated[tuple[UsageRow, ...], Field(max_length=100)] = ()


TurnLog = Annotated[_TurnLog, WithJsonSchema({"type": "object"})]
