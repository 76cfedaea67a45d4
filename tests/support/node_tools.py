"""Programs from npm that tests run; `python -m tests.support.node_tools` installs them, once."""

import asyncio
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from config.settings import settings
from orchestrator.engines.errors import EngineError
from orchestrator.engines.node import install_packages
from orchestrator.engines.process import Progress, run_command
from orchestrator.engines.toolchain import NODE, find_tool

PACKAGES = Path(__file__).parents[1] / "node"
_NODE = replace(NODE, minimum=(22, 19))  # the Inspector's


@dataclass(frozen=True)
class NodeTools:
    """A Node that is new enough, and the folder that holds the packages."""

    node: Path
    folder: Path

    def program(self, name: str, *arguments: str) -> list[str]:
        """Return the command line of a program that a package brings."""
        return [str(self.node), str(self.folder / "node_modules/.bin" / name), *arguments]

    def script(self, name: str, *arguments: str) -> list[str]:
        """Return the command line of a script of ours, to be run in `folder`."""
        return [str(self.node), str(PACKAGES / name), *arguments]


async def node_tools_of(cache: Path, progress: Progress) -> NodeTools:
    """Return the programs, installed as package-lock.json says.

    Raises:
        EngineError: Node or the registry cannot be reached.
    """
    folder = await install_packages(cache, PACKAGES, progress)
    node = folder / "node"
    if not node.exists():  # uv may have thrown away the one that it lent
        await _keep_node(node)
    return NodeTools(node, folder)


async def _keep_node(link: Path) -> None:
    # Asking uv takes half a second each time, and a test run by hand may not know where uv is.
    prefix = (await find_tool(_NODE)).prefix
    said = await run_command([*prefix, "node", "--print", "process.execPath"])
    unfinished = link.with_name(f".node.{os.getpid()}")
    unfinished.symlink_to(said.splitlines()[-1])
    unfinished.replace(link)


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def main() -> None:
    """Install, or say what helps."""
    try:
        asyncio.run(node_tools_of(settings().cache_dir, _tell))
    except EngineError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
