"""Finds `livekit-server`, or builds it once with Go: no package index has it."""

import re
import shutil
import tempfile
import time
from pathlib import Path

from config.settings import build_environment
from orchestrator.engines.errors import EngineError
from orchestrator.engines.files import lock_folder, require_disk_space
from orchestrator.engines.process import Progress, run_command
from orchestrator.engines.toolchain import GO, ToolCommand, find_tool

VERSION = "v1.11.0"  # `go install` cannot build 1.13: its go.mod has replace directives
_MODULE = f"github.com/livekit/livekit-server/cmd/server@{VERSION}"
_BINARY = "livekit-server"
_GIGABYTES = 1.5
_REPORT_SECONDS = 1.0
_GO_VERSION = GO.minimum_version

_HELP = f"""
LiveKit is needed, and there are three ways to it:
  1. set LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET to a server that runs already
  2. put {_BINARY} on PATH: https://github.com/livekit/livekit/releases
  3. install Go {_GO_VERSION} or newer (https://go.dev/dl) and try again: it is then built here"""


def find_livekit_server(cache: Path) -> Path | None:
    """Return the path of `livekit-server` on PATH or in the cache; None if it has to be built."""
    if installed := shutil.which(_BINARY):
        return Path(installed)
    binary = cache / "livekit" / VERSION / _BINARY
    return binary if binary.exists() else None


async def ensure_livekit_server(cache: Path, progress: Progress) -> Path:
    """Return the path of `livekit-server`: on PATH, in the cache, or built into it.

    Raises:
        EngineError: there is none and it could not be built; the message says what helps.
    """
    if known := find_livekit_server(cache):
        return known
    folder = cache / "livekit"
    binary = folder / VERSION / _BINARY
    async with lock_folder(folder, progress):
        if not binary.exists():
            await _build(binary, cache, progress)
    return binary


async def _build(binary: Path, cache: Path, progress: Progress) -> None:
    binary.parent.mkdir(parents=True, exist_ok=True)
    progress(f"LiveKit: building {_BINARY} {VERSION}, once; this takes some minutes")
    with tempfile.TemporaryDirectory(dir=binary.parent) as folder:
        unfinished = Path(folder)
        try:
            require_disk_space(cache, _GIGABYTES, f"Building {_BINARY}")
            go = await find_tool(GO)
            await run_command(
                [*go.prefix, "go", "install", "-v", _MODULE],
                on_line=_GoOutput(progress).read_line,
                env=_environment(go, unfinished, cache),
                cwd=unfinished,
            )
        except EngineError as error:
            raise EngineError(f"{error}\n{_HELP}") from None
        shutil.move(unfinished / "server", binary)
    progress(f"LiveKit: built {binary}")


def _environment(go: ToolCommand, target: Path, cache: Path) -> dict[str, str]:
    # With GOBIN set, Go refuses to cross-compile.
    inherited = build_environment()
    inherited.pop("GOOS", None)
    inherited.pop("GOARCH", None)
    isolated = {
        # Without Go installed, no ~/go is created; what is in the cache can be removed.
        "GOPATH": str(cache / "go"),
        "GOCACHE": str(cache / "go-build"),
        "GOFLAGS": f"{inherited.get('GOFLAGS', '')} -modcacherw".strip(),
    }
    return {**inherited, **(isolated if go.from_wheel else {}), "GOBIN": str(target)}


class _GoOutput:
    """Counts modules and packages in Go's output, and reports the count once a second."""

    _DOWNLOAD = re.compile(r"^go: downloading ")
    _PACKAGE = re.compile(r"^[\w.-]+(/[\w.~-]+)*$")

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._modules = 0
        self._packages = 0
        self._reported = 0.0

    def read_line(self, line: str) -> None:
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
