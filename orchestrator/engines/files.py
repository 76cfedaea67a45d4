"""Files that several processes share, or that only one user may read."""

import asyncio
import fcntl
import importlib.util
import os
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from orchestrator.engines.errors import EngineError
from orchestrator.engines.process import Progress

_POLL_SECONDS = 0.2
_GIGABYTE = 1_000_000_000


@asynccontextmanager
async def locked(folder: Path, progress: Progress) -> AsyncGenerator[None]:
    """Keep every other process out of `folder`. The lock goes when its holder does."""
    lock = _open_private(folder / ".lock", os.O_RDWR)
    told = False
    try:
        while not _try_lock(lock):
            if not told:
                progress(f"waiting for another process, which is filling {folder}")
            told = True
            await asyncio.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(lock)


def require_space(folder: Path, gigabytes: float, purpose: str) -> None:
    """Raise EngineError unless the disk of `folder` has room."""
    free = shutil.disk_usage(folder).free / _GIGABYTE
    if free < gigabytes:
        raise EngineError(
            f"{purpose} needs {gigabytes:g} GB of disk; {folder} has {free:.1f} GB. "
            "Free some, or set ANTIPHON_CACHE to a folder on a larger disk."
        )


def wheel_folder(package: str) -> Path:
    """Return where an installed package lies, without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise EngineError(f"The package {package} is not installed.")
    return Path(spec.submodule_search_locations[0])


def write_private(path: Path, text: str) -> Path:
    """Write a file that only its owner can read, and return its path."""
    with os.fdopen(_open_private(path, os.O_WRONLY | os.O_TRUNC), "w") as file:
        file.write(text)
    return path


def _open_private(path: Path, flags: int) -> int:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.open(path, flags | os.O_CREAT, 0o600)


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
