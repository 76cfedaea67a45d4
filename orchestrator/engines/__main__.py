"""`python -m orchestrator.engines`: fetch and build what the engines need, once, and say so."""

import asyncio
import sys

from config.settings import settings
from orchestrator.engines.errors import EngineError
from orchestrator.engines.livekit_binary import livekit_server
from orchestrator.engines.node import livekit_client


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")


async def _prepare() -> None:
    cache = settings().cache_dir
    await asyncio.gather(livekit_server(cache, _tell), livekit_client(cache, _tell))


def main() -> None:
    """Prepare, or say what helps."""
    try:
        asyncio.run(_prepare())
    except EngineError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
