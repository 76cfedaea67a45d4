"""Installs npm packages into the user's cache; the console's LiveKit client comes from there."""

import hashlib
import shutil
import tempfile
from pathlib import Path

from orchestrator.engines.errors import EngineError
from orchestrator.engines.files import lock_folder, require_disk_space
from orchestrator.engines.process import Progress, run_command
from orchestrator.engines.toolchain import NODE, find_tool

_CONSOLE = Path(__file__).parents[1] / "console"
_SCRIPT = Path("node_modules/livekit-client/dist/livekit-client.umd.js")


async def ensure_livekit_client(cache: Path, progress: Progress) -> Path:
    """Return the path of `livekit-client.umd.js`; it is installed first if it is missing.

    Raises:
        EngineError: Node is missing, or npm failed.
    """
    return await install_packages(cache, _CONSOLE, progress) / _SCRIPT


def find_livekit_client(cache: Path) -> Path | None:
    """Return the path of `livekit-client.umd.js`, or None if it is not installed."""
    script = packages_folder(cache, _CONSOLE) / _SCRIPT
    return script if script.exists() else None


async def install_packages(cache: Path, packages: Path, progress: Progress) -> Path:
    """Install the package-lock.json in `packages`, unless it is; return the folder.

    Raises:
        EngineError: Node is missing, or npm failed.
    """
    folder = packages_folder(cache, packages)
    if not folder.exists():
        async with lock_folder(folder.parent, progress):
            if not folder.exists():
                await _install(packages, folder, progress)
    return folder


def packages_folder(cache: Path, packages: Path) -> Path:
    """Return the folder in which the package-lock.json in `packages` is installed."""
    lock_file = (packages / "package-lock.json").read_bytes()
    return cache / packages.name / hashlib.sha256(lock_file).hexdigest()[:12]


async def _install(packages: Path, folder: Path, progress: Progress) -> None:
    require_disk_space(folder.parent, 0.5, f"What {packages.name} takes from npm")
    progress(f"{packages.name}: installing its packages from npm")
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        unfinished = _copy_lock_file(packages, Path(temporary))
        flags = ("--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund")
        try:
            node = await find_tool(NODE)
            await run_command([*node.prefix, "npm", "ci", *flags], cwd=unfinished)
        except EngineError as error:
            raise EngineError(
                f"{error}\nThe packages of {packages.name} come from npm, once: that takes Node "
                f"{NODE.minimum_version} or newer, or uv, and npm's registry."
            ) from None
        unfinished.rename(folder)


def _copy_lock_file(packages: Path, parent: Path) -> Path:
    copy = parent / packages.name
    copy.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(packages / name, copy)
    return copy
