"""Whether this process runs, and whether all that it needs answers."""

import asyncio
from collections.abc import Awaitable

import httpx2
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from orchestrator.api.dependencies import Dependencies
from orchestrator.api.errors import ApiError
from orchestrator.api.models import Health
from orchestrator.api.operations import Ask, Nothing, Operation

_PATIENCE = 3.0  # seconds


async def alive(ask: Ask[Nothing]) -> Health:
    """Tell that the process runs."""
    del ask
    return Health()


async def ready(ask: Ask[Nothing]) -> Health:
    """Tell that everything which calls need answers, or what does not."""
    dependencies = ask.dependencies
    checks: dict[str, Awaitable[None]] = {
        "database": _database(dependencies),
        "valkey": _cache(dependencies),
        "livekit": _http(dependencies, dependencies.livekit.http_url),
    }
    for name, url in dependencies.health.items():
        checks[name] = _http(dependencies, url)
    answers = await asyncio.gather(*(_answers(check) for check in checks.values()))
    silent = [name for name, answered in zip(checks, answers, strict=True) if not answered]
    if silent:
        raise ApiError(503, "unavailable", f"Not answering: {', '.join(silent)}.")
    return Health()


async def _answers(check: Awaitable[None]) -> bool:
    try:
        async with asyncio.timeout(_PATIENCE):
            await check
    except (TimeoutError, SQLAlchemyError, RedisError, httpx2.HTTPError):
        return False
    return True


async def _database(dependencies: Dependencies) -> None:
    async with dependencies.database.unscoped() as session:
        await session.execute(text("select 1"))


async def _cache(dependencies: Dependencies) -> None:
    await dependencies.cache.get("readyz")  # `ping` is not typed


async def _http(dependencies: Dependencies, url: str) -> None:
    (await dependencies.http.get(url)).raise_for_status()


OPERATIONS = (
    Operation("GET", "/healthz", alive, Nothing, Health, "public"),
    Operation("GET", "/readyz", ready, Nothing, Health, "public"),
)
