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
        description="Only of answers, in seconds. As the caller heard it, from the caller's last "
        "sound: first_sound, to any sound of the agent's; answer, to the first that is no filler. "
        "Where the bot publishes `latency`, the parts of the answer, too: hearing, endpointing, "
        "retrieval, model, tools, speech, filler (the answer waited for its end), ours (the rest), "
        "as the agent measured them, and transport.",
    )


class ToolCall(_Part):
    """A tool that was called, by whom, and how it ended."""

    server: str
    tool: str
    arguments: dict[str, Any]
    ms: float
    outcome: str
    chosen_by: Literal["model", "retrieval"]
    turn: int | None = Field(
        default=None, description="Of the caller's, from 1, that it was made for; if known."
    )
    said: str | None = Field(default=None, description="What the tool said, as the log has it.")
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
    engine: str | None = Field(
        default=None,
        description="What ran the embedded language model, if it answered: llama.cpp or openvino.",
    )
    greeting_seconds: float | None = Field(description="From the session's start to the voice.")
    turns: list[Turn]
    tool_calls: list[ToolCall]
    heard_back: list[HeardBack]
    speech: Speech
    booking: dict[str, Any] | None = Field(description="As the scheduling server has it.")
    records: dict[str, list[dict[str, Any]]] = Field(
        default={}, description="bookings, tickets and leads, as the servers have them."
    )
    transcript_url: str
    transcript: list[dict[str, Any]]
    agent_hung_up: bool
    unanswered: int = Field(description="Utterances that got no answer; a filler is none.")
