"""Folder locks, free disk space, folders of wheels, and files only their owner can read."""

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
async def lock_folder(folder: Path, progress: Progress) -> AsyncGenerator[None]:
    """Hold an exclusive lock on `folder` between processes; it is released if the holder dies."""
    lock = _open_private(folder / ".lock", os.O_RDWR)
    reported = False
    try:
        while not _try_lock(lock):
            if not reported:
                progress(f"waiting for another process, which is filling {folder}")
            reported = True
            await asyncio.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(lock)


def require_disk_space(folder: Path, gigabytes: float, purpose: str) -> None:
    """Check that the disk of `folder` has room.

    Raises:
        EngineError: it has less than `gigabytes` free.
    """
    free = shutil.disk_usage(folder).free / _GIGABYTE
    if free < gigabytes:
        raise EngineError(
            f"{purpose} needs {gigabytes:g} GB of disk; {folder} has {free:.1f} GB. "
            "Free some, or set ANTIPHON_CACHE to a folder on a larger disk."
        )


def wheel_folder(package: str) -> Path:
    """Return the folder of an installed package, without importing it.

    Raises:
        EngineError: it is not installed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise EngineError(f"The package {package} is not installed.")
    return Path(spec.submodule_search_locations[0])


def write_private_file(path: Path, text: str) -> Path:
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
