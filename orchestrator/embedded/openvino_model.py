"""OpenVINO as the engine of the language model: a child process, reached over its pipes.

It runs int8 weights that are made once from the same file (`openvino_weights`). Where the processor
has VNNI, it answers three times as fast as llama.cpp.
"""

import asyncio
import hashlib
import itertools
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.embedded.llm import Chunk, ModelError, Prompt, Turn
from orchestrator.embedded.model_process import ModelProcess, no_answer
from orchestrator.embedded.openvino_process import OpenVinoSettings, Request

_CACHE_TOKENS = 32768  # of all conversations together: 0.5 GB
# A long prompt would be read before everybody else's: it is asked for in pieces of this many
# characters, about as many tokens as one step reads.
_PIECE = 1000


class OpenVinoModel:
    """A client of one running OpenVINO process."""

    def __init__(self, process: ModelProcess) -> None:
        self._process = process
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Queue[dict[str, Any]]] = {}
        self._known: set[str] = set()  # prefixes that were read
        self._reading = asyncio.Lock()
        self._receiving = asyncio.create_task(self._receive())

    @classmethod
    async def load(cls, folder: Path, *, threads: int = 2, context: int = 4096) -> "OpenVinoModel":
        """Start a process with the model in a folder that `openvino_weights` has made."""
        settings = OpenVinoSettings(
            folder=str(folder), threads=threads, cache_tokens=_CACHE_TOKENS, context=context
        )
        module = "orchestrator.embedded.openvino_process"
        return cls(await ModelProcess.start(module, settings, "ready"))

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
        await self.read_prefix(prompt)
        number, answers = next(self._numbers), asyncio.Queue[dict[str, Any]]()
        self._answers[number] = answers
        finished = False
        try:
            self._request(Request(id=number, text=render(prompt.turns), options=dict(options)))
            while not finished:
                answer = await answers.get()
                if "error" in answer:
                    finished = True
                    raise _to_error(answer)
                finished = "finish" in answer
                yield Chunk(
                    text=answer.get("text", ""),
                    finish=answer.get("finish"),
                    usage=answer.get("usage", {}),
                )
        finally:
            del self._answers[number]
            if not finished and self.alive:
                self._request(Request(id=number, cancel=True))

    async def read_prefix(self, prompt: Prompt) -> None:
        """Read what a bot's conversations begin with, unless it was read since the start.

        Raises:
            ModelError: it is too long, or the model does not answer.
        """
        text = render(prompt.prefix, complete=False)
        digest = hashlib.sha256(text.encode()).hexdigest()
        if not text or digest in self._known:
            return
        async with self._reading:
            for end in range(_PIECE, len(text) + _PIECE, _PIECE):
                if digest in self._known:
                    return
                await self._read(text[:end])
            self._known.add(digest)

    async def wait_until_ended(self) -> None:
        """Wait until the model's process has ended."""
        await self._process.wait()

    async def close(self) -> None:
        """End the model's process, by force if it takes too long."""
        await self._process.close()
        await self._receiving

    async def _read(self, text: str) -> None:
        number, answers = next(self._numbers), asyncio.Queue[dict[str, Any]]()
        self._answers[number] = answers
        try:
            self._request(Request(id=number, text=text, options={"max_tokens": 1}))
            while "finish" not in (answer := await answers.get()):
                if "error" in answer:
                    raise _to_error(answer)
        finally:
            del self._answers[number]

    def _request(self, request: Request) -> None:
        if not self.alive:
            raise no_answer()
        self._process.send(request)

    async def _receive(self) -> None:
        """Hand out what the process writes; at its end, tell those who wait."""
        async for line in self._process.lines():
            answer: dict[str, Any] = json.loads(line)
            if queue := self._answers.get(answer["id"]):
                queue.put_nowait(answer)
        for queue in self._answers.values():
            queue.put_nowait({"error": "The language model does not answer.", "status": 503})


def render(turns: Sequence[Turn], *, complete: bool = True) -> str:
    """Return turns in the chat form of Qwen2.5; a `complete` one asks for the next answer."""
    parts = [f"<|im_start|>{turn['role']}\n{turn['content']}<|im_end|>\n" for turn in turns]
    return "".join(parts) + ("<|im_start|>assistant\n" if complete else "")


def _to_error(answer: Mapping[str, Any]) -> ModelError:
    code = answer.get("code")
    status = answer.get("status", 400 if code else 500)
    return ModelError(answer["error"], status=status, code=code)
