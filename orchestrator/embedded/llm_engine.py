"""Chooses the engine of the language model, and prepares what the faster one needs."""

import asyncio
import importlib.metadata
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import psutil

from config.settings import LlmEngine, system_environment
from orchestrator.embedded import weights
from orchestrator.embedded.weights import WeightsError

_PROCESSOR = Path("/proc/cpuinfo")
_INT8_FLAGS = ("avx512_vnni", "avx_vnni", "amx_int8")
_NO_GAIN = "OpenVINO is not faster on this processor, which has no VNNI"
FAST_PACKAGES = ("openvino_genai", "gguf")
_EXTRA = "offline-llm-fast"
_MEMORY_GB = 4.0  # that running it takes at most
_PREPARATION_GB = 6.0  # of memory, with what everything else needs meanwhile
_DISK_GB = 3.2  # while preparing: the reader's model, and ours


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """Which engine runs the language model, and why; `folder` holds OpenVINO's model."""

    name: Literal["openvino", "llama.cpp"]
    reason: str
    folder: Path | None = None


@dataclass(frozen=True, slots=True)
class Preparation:
    """What is known of OpenVINO's model: is it made, and if it can't be, why."""

    folder: Path
    made: bool
    obstacle: str | None

    @property
    def size(self) -> int:
        """Return how many bytes it takes on disk."""
        return _size(self.folder) if self.made else 0


def choose_engine(wanted: LlmEngine, path: Path | None) -> EngineChoice:
    """Return the faster engine where it can run; `path` is a model file of the operator's.

    Raises:
        WeightsError: an engine is wanted that cannot run.
    """
    if wanted == "llama.cpp":
        return EngineChoice("llama.cpp", "LLM_ENGINE says so")
    if not is_wanted(wanted):
        return EngineChoice("llama.cpp", _NO_GAIN)
    preparation = look()
    obstacle = _obstacle(preparation, path)
    if obstacle is None:
        return EngineChoice("openvino", "its model is made", preparation.folder)
    if wanted == "openvino":
        raise WeightsError(f"OpenVINO cannot run the language model: {obstacle}.")
    return EngineChoice("llama.cpp", f"not OpenVINO: {obstacle}")


def is_wanted(engine: LlmEngine) -> bool:
    """Return whether OpenVINO is asked for, or left to us and faster here."""
    return engine == "openvino" or (engine == "auto" and _is_faster_here())


def _is_faster_here() -> bool:
    """Return whether the processor multiplies int8 vectors in one instruction.

    Without that, OpenVINO answers no sooner than llama.cpp, and takes more memory: measured with
    AVX2 alone. With AVX512-VNNI it takes a third of the time.
    """
    try:
        flags = _PROCESSOR.read_text(encoding="utf-8")
    except FileNotFoundError:  # not Linux: it is not known
        return True
    return any(flag in flags for flag in _INT8_FLAGS)


def _obstacle(preparation: Preparation, path: Path | None) -> str | None:
    if path is not None:
        return "a model file was configured, and OpenVINO's is made of Antiphon's own"
    if preparation.made:
        return _missing_packages() or _missing_memory(_MEMORY_GB)
    return preparation.obstacle or "its model is not made yet: antiphon models prepare"


def look() -> Preparation:
    """Return whether OpenVINO's model is made, and what is in the way of making it."""
    missing = _missing_packages()
    version = "none" if missing else importlib.metadata.version("openvino-genai")
    digest = weights.QWEN_CODER.digest[:12]
    folder = weights.cache_folder() / f"openvino-{version}-{digest}"
    made = folder.is_dir()
    obstacle = missing
    if not made and obstacle is None:
        obstacle = _missing_memory(_PREPARATION_GB) or _missing_disk(folder.parent)
    return Preparation(folder, made, obstacle)


async def prepare(progress: Callable[[str], None]) -> Path:
    """Make OpenVINO's model, in a process of its own: a minute, 4.5 GB of memory.

    Raises:
        WeightsError: something is in the way, or the process failed.
    """
    preparation = await asyncio.to_thread(look)
    if preparation.made:
        return preparation.folder
    if preparation.obstacle:
        raise WeightsError(f"OpenVINO's model cannot be made: {preparation.obstacle}.")
    gguf = await asyncio.to_thread(weights.join_parts, weights.QWEN_CODER)
    progress("language model: being made ready for OpenVINO (a minute, once)")
    module = "orchestrator.embedded.openvino_weights"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, str(gguf), str(preparation.folder)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=system_environment(),
    )
    try:
        _, printed = await process.communicate()
    except BaseException:
        process.kill()
        raise
    if process.returncode:
        last = printed.decode(errors="replace").strip().rpartition("\n")[2]
        raise WeightsError(f"OpenVINO's model could not be made: {last}")
    progress("language model: ready for OpenVINO")
    return preparation.folder


def remove() -> int:
    """Remove every model that was made for OpenVINO; return how many bytes that gave back."""
    freed = 0
    for folder in weights.cache_folder().glob("openvino-*"):
        freed += _size(folder)
        shutil.rmtree(folder)
    return freed


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _missing_packages() -> str | None:
    missing = [name for name in FAST_PACKAGES if find_spec(name) is None]
    if not missing:
        return None
    return f"{' and '.join(missing)} not installed: uv sync --inexact --extra {_EXTRA}"


def _missing_memory(needed: float) -> str | None:
    free = psutil.virtual_memory().available / 1e9
    return None if free >= needed else f"{free:.1f} GB of memory are free, and it takes {needed:g}"


def _missing_disk(folder: Path) -> str | None:
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free / 1e9
    return None if free >= _DISK_GB else f"{free:.1f} GB of disk are free, and it takes {_DISK_GB}"
