"""Find `livekit-server`, or build it once: no package index has it, Go's module proxy does."""

import os
import re
import shutil
import tempfile
import time
from pathlib import Path

from orchestrator.engines.errors import EngineError
from orchestrator.engines.files import locked, require_space
from orchestrator.engines.process import Progress, run
from orchestrator.engines.toolchain import GO, Source, source

VERSION = "v1.11.0"  # 1.13 cannot be had by `go install`: its go.mod has replace lines
_MODULE = f"github.com/livekit/livekit-server/cmd/server@{VERSION}"
_BINARY = "livekit-server"
_GIGABYTES = 1.5
_REPORT_SECONDS = 1.0

_HELP = f"""
LiveKit is needed, and there are three ways to it:
  1. set LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET to a server that runs already
  2. put {_BINARY} on PATH: https://github.com/livekit/livekit/releases
  3. install Go {GO.wanted} or newer (https://go.dev/dl) and try again: it is then built here"""


def known_livekit_server(cache: Path) -> Path | None:
    """Return the path of `livekit-server` if it need not be built: on PATH, or in the cache."""
    if installed := shutil.which(_BINARY):
        return Path(installed)
    binary = cache / "livekit" / VERSION / _BINARY
    return binary if binary.exists() else None


async def livekit_server(cache: Path, progress: Progress) -> Path:
    """Return the path of `livekit-server`: on PATH, in the cache, or built into it.

    Raises:
        EngineError: there is none and it could not be built; the message names the ways out.
    """
    if known := known_livekit_server(cache):
        return known
    folder = cache / "livekit"
    binary = folder / VERSION / _BINARY
    async with locked(folder, progress):
        if not binary.exists():
            await _build(binary, cache, progress)
    return binary


async def _build(binary: Path, cache: Path, progress: Progress) -> None:
    binary.parent.mkdir(parents=True, exist_ok=True)
    progress(f"LiveKit: building {_BINARY} {VERSION}, once; this takes some minutes")
    with tempfile.TemporaryDirectory(dir=binary.parent) as folder:
        unfinished = Path(folder)
        try:
            require_space(cache, _GIGABYTES, f"Building {_BINARY}")
            go = await source(GO)
            await run(
                [*go.prefix, "go", "install", "-v", _MODULE],
                on_line=_Steps(progress).read,
                env=_environment(go, unfinished, cache),
                cwd=unfinished,
            )
        except EngineError as error:
            raise EngineError(f"{error}\n{_HELP}") from None
        shutil.move(unfinished / "server", binary)
    progress(f"LiveKit: built {binary}")


def _environment(go: Source, target: Path, cache: Path) -> dict[str, str]:
    # With GOBIN, Go refuses to build for another system than this one.
    inherited = {
        name: value for name, value in os.environ.items() if name not in {"GOOS", "GOARCH"}
    }
    borrowed = {
        # Who has no Go gets no ~/go either; and what is in the cache can be removed.
        "GOPATH": str(cache / "go"),
        "GOCACHE": str(cache / "go-build"),
        "GOFLAGS": f"{os.environ.get('GOFLAGS', '')} -modcacherw".strip(),
    }
    return {**inherited, **(borrowed if go.from_wheel else {}), "GOBIN": str(target)}


class _Steps:
    """Counts what Go prints, and reports the count now and then."""

    _DOWNLOAD = re.compile(r"^go: downloading ")
    _PACKAGE = re.compile(r"^[\w.-]+(/[\w.~-]+)*$")

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._modules = 0
        self._packages = 0
        self._reported = 0.0

    def read(self, line: str) -> None:
        """Take in one line."""
        if self._DOWNLOAD.match(line):
            self._modules += 1
            self._report(f"LiveKit: {self._modules} modules downloaded")
        elif self._PACKAGE.match(line):
            self._packages += 1
            self._report(f"LiveKit: {self._packages} packages compiled")

    def _report(self, text: str) -> None:
        now = time.monotonic()
        if now - self._reported >= _REPORT_SECONDS:
            self._reported = now
            self._progress(text)
