"""The console's one script from npm, installed into the user's cache."""

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
    folder = _folder(cache)
    if not folder.exists():
        async with locked(cache / "console", progress):
            if not folder.exists():
                await _install(folder, progress)
    return folder / _SCRIPT


def known_livekit_client(cache: Path) -> Path | None:
    """Return the path of `livekit-client.umd.js` if it is installed."""
    script = _folder(cache) / _SCRIPT
    return script if script.exists() else None


def _folder(cache: Path) -> Path:
    """Return where the packages of this package-lock.json are."""
    lock_file = (_CONSOLE / "package-lock.json").read_bytes()
    return cache / "console" / hashlib.sha256(lock_file).hexdigest()[:12]


async def _install(folder: Path, progress: Progress) -> None:
    require_space(folder.parent, 0.5, "The console's packages")
    progress("console: installing livekit-client")
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        unfinished = _copy_of_console(Path(temporary))
        flags = ("--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund")
        try:
            node = await source(NODE)
            await run([*node.prefix, "npm", "ci", *flags], cwd=unfinished)
        except EngineError as error:
            raise EngineError(
                f"{error}\nThe console's script comes from npm, once: that takes Node "
                f"{NODE.wanted} or newer, or uv, and npm's registry."
            ) from None
        unfinished.rename(folder)


def _copy_of_console(parent: Path) -> Path:
    copy = parent / "console"
    copy.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(_CONSOLE / name, copy)
    return copy
