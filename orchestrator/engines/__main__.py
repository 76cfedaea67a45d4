"""`python -m orchestrator.engines`: builds LiveKit and fetches its JavaScript client, once."""

import asyncio
import sys

from config.settings import settings
from orchestrator.engines.errors import EngineError
from orchestrator.engines.livekit_binary import ensure_livekit_server
from orchestrator.engines.node import ensure_livekit_client


def _print_progress(line: str) -> None:
    sys.stderr.write(f"{line}\n")


async def _prepare() -> None:
    cache = settings().cache_dir
    await asyncio.gather(
        ensure_livekit_server(cache, _print_progress),
        ensure_livekit_client(cache, _print_progress),
    )


def main() -> None:
    """Build and fetch; on failure, exit with the message."""
    try:
        asyncio.run(_prepare())
    except EngineError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
