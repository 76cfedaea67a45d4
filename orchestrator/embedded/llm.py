"""What any engine of the language model does: it reads prompts, and generates text."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

Turn = Mapping[str, str]


class ModelError(RuntimeError):
    """The model refuses a request or has failed; `status` is the HTTP status for the client."""

    def __init__(self, message: str, *, status: int = 500, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class Prompt:
    """The turns that a model is to answer.

    The first `prefix_length` turns are the same in every conversation of a bot. Requests with one
    `conversation` are made one after the other, each with the turns of the one before it.
    """

    turns: tuple[Turn, ...]
    prefix_length: int = 0
    conversation: str | None = None

    @property
    def prefix(self) -> tuple[Turn, ...]:
        """Return the turns that every conversation of the bot begins with."""
        return self.turns[: self.prefix_length]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Text generated since the previous chunk; usage and timings come with the last one."""

    text: str = ""
    finish: str | None = None
    usage: dict[str, Any] = field(default_factory=dict[str, Any])
    timings: dict[str, Any] = field(default_factory=dict[str, Any])


class LanguageModel(Protocol):
    """A loaded language model, in a process of its own."""

    @property
    def alive(self) -> bool:
        """Say whether the model's process still runs."""
        ...

    def stream(self, prompt: Prompt, options: Mapping[str, Any]) -> AsyncGenerator[Chunk, None]:
        """Generate one answer; closing the generator stops the model.

        `options` are those of OpenAI's API, and `grammar`, in GBNF.

        Raises:
            ModelError: the model refuses the request, or does not answer.
        """
        ...

    async def read_prefix(self, prompt: Prompt) -> None:
        """Read what a bot's conversations begin with, unless it is known.

        Raises:
            ModelError: it is too long, or the model does not answer.
        """
        ...

    async def wait_until_ended(self) -> None:
        """Wait until the model's process has ended."""
        ...

    async def close(self) -> None:
        """End the model's process."""
        ...
