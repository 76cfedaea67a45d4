"""What one demonstration call showed, as data."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Played(_Part):
    """What the caller played."""

    file: str
    text: str | None = Field(description="What is spoken in it, where that is known.")


class Turn(_Part):
    """One turn of the transcript, in the order it was spoken."""

    role: Literal["user", "agent"]
    text: str
    played: Played | None = Field(default=None, description="Only of the caller's turns.")
    latency: dict[str, float] | None = Field(
        default=None,
        description="Only of answers, in seconds: hearing, endpointing, retrieval, model, tools, "
        "speech, ours (the rest) and total, measured by the agent; heard, from the caller's last "
        "sound to the first sound of the answer, measured by the caller.",
    )


class ToolCall(_Part):
    """A tool that was called, by whom, and how it ended."""

    server: str
    tool: str
    arguments: dict[str, Any]
    ms: float
    outcome: str
    chosen_by: Literal["model", "retrieval"]
    passages: list[str] | None = None
    result: dict[str, Any] | None = None


class HeardBack(_Part):
    """One thing the agent said, and how it was understood at the caller's end."""

    said: str
    heard: str


class Speech(_Part):
    """How well each side was understood; word error rates from 0, numbers normalised."""

    caller_wer: float | None
    agent_wer: float | None


class Report(_Part):
    """One call."""

    business: str
    bot: str
    conversation_id: str
    providers: dict[str, str]
    greeting_seconds: float | None = Field(description="From the session's start to the voice.")
    turns: list[Turn]
    tool_calls: list[ToolCall]
    heard_back: list[HeardBack]
    speech: Speech
    booking: dict[str, Any] | None = Field(description="As the scheduling server has it.")
    transcript_url: str
    transcript: list[dict[str, Any]]
    agent_hung_up: bool
    unanswered: int = Field(description="Utterances that got no answer.")
