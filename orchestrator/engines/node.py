"""Packages from npm, installed into the user's cache: the console's one script comes from there."""

import hashlib
import shutil
import tempfile
from pathlib import Path

from orchestrator.engines.errors import EngineError
from orchestrator.engines.files import locked, require_space
from orchestrator.engines.process import Progress, run
from orchestrator.engines.toolchain import NODE, source

_CONSOLE = Path(__file__).parents[1] / "console"
_SCRIPT = Path("node_modules/livekit-client/dist/livekit-client.umd.js")


async def livekit_client(cache: Path, progress: Progress) -> Path:
    """Return the path of `livekit-client.umd.js`, installed as package-lock.json says.

    Raises:
        EngineError: Node or the registry cannot be reached.
    """
    return await installed(cache, _CONSOLE, progress) / _SCRIPT


def known_livekit_client(cache: Path) -> Path | None:
    """Return the path of `livekit-client.umd.js` if it is installed."""
    script = known(cache, _CONSOLE) / _SCRIPT
    return script if script.exists() else None


async def installed(cache: Path, packages: Path, progress: Progress) -> Path:
    """Return a folder whose `node_modules` is what the package-lock.json in `packages` says.

    Raises:
        EngineError: Node or the registry cannot be reached.
    """
    folder = known(cache, packages)
    if not folder.exists():
        async with locked(folder.parent, progress):
            if not folder.exists():
                await _install(packages, folder, progress)
    return folder


def known(cache: Path, packages: Path) -> Path:
    """Return where the packages of this package-lock.json are, once they are installed."""
    lock_file = (packages / "package-lock.json").read_bytes()
    return cache / packages.name / hashlib.sha256(lock_file).hexdigest()[:12]


async def _install(packages: Path, folder: Path, progress: Progress) -> None:
    require_space(folder.parent, 0.5, f"What {packages.name} takes from npm")
    progress(f"{packages.name}: installing its packages from npm")
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        unfinished = _copy(packages, Path(temporary))
        flags = ("--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund")
        try:
            node = await source(NODE)
            await run([*node.prefix, "npm", "ci", *flags], cwd=unfinished)
        except EngineError as error:
            raise EngineError(
                f"{error}\nThe packages of {packages.name} come from npm, once: that takes Node "
                f"{NODE.wanted} or newer, or uv, and npm's registry."
            ) from None
        unfinished.rename(folder)


def _copy(packages: Path, parent: Path) -> Path:
    copy = parent / packages.name
    copy.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(packages / name, copy)
    return copy
