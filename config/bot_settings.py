"""Settings of a bot that its row, its declaration and the API have in common."""

import json
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from config.models import DeclarationModel

Text = Annotated[str, StringConstraints(min_length=1, max_length=20_000)]
Seconds = Annotated[float, Field(gt=0, le=3600)]
Fraction = Annotated[float, Field(ge=0, le=1)]
_MAX_NAMES_SIZE = 2000  # bytes, of the 4096 that a token may have

ClientEvent = Literal[
    "conversation_initiation_metadata",
    "user_transcript",
    "agent_response",
    "retrieval",
    "agent_tool_request",
    "agent_tool_call",
    "latency",
    "interruption",
]


class ToolPolicy(DeclarationModel):
    """How a bot uses one tool. `speak: say` speaks the result's own sentence at once.

    `duplicates` is about a write that was done in this conversation with the same arguments.
    """

    confirm: bool = False
    filler: Text | None = None
    timeout: Seconds | None = None
    speak: Literal["say", "model"] | None = None
    duplicates: Literal["replay", "reject", "allow"] = "replay"


class ServerUse(DeclarationModel):
    """One server of a bot's registry. Without `tools`, those of the voice profile are used."""

    enabled: bool = True
    tools: tuple[str, ...] = ()
    denied_tools: tuple[str, ...] = ()
    policy: Mapping[str, ToolPolicy] = Field(default_factory=dict)
    integration: str | None = None

    @property
    def confirmed_tools(self) -> tuple[str, ...]:
        """Return the tools that need the caller's confirmation."""
        return tuple(name for name, policy in self.policy.items() if policy.confirm)

    @model_validator(mode="after")
    def _check_token_size(self) -> Self:
        names = json.dumps([*self.tools, *self.denied_tools, *self.confirmed_tools])
        if len(names) > _MAX_NAMES_SIZE:
            raise ValueError("names more tools than the token of a request can hold")
        return self


class Voice(DeclarationModel):
    """How the bot sounds; what a provider does not have, it ignores."""

    voice_id: str | None = None
    tts_model_family: str | None = None
    similarity: Fraction | None = None
    stability: Fraction | None = None
    speed: Annotated[float, Field(ge=0.5, le=2)] | None = None
