"""Whether this process runs, and whether all that it needs answers."""

import asyncio
from collections.abc import Awaitable

import httpx2
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from orchestrator.api.dependencies import ApiDependencies, Dependencies
from orchestrator.api.errors import ApiError
from orchestrator.api.routing import ApiRouter
from orchestrator.api.schemas import Health
from orchestrator.calls.queue import WorkerSlots

_CHECK_TIMEOUT = 3.0  # seconds

router = ApiRouter(public=True)


class NoWorkerError(Exception):
    """No worker is alive, or none can keep records of its calls."""


@router.get("/healthz")
async def alive() -> Health:
    """Tell that the process runs."""
    return Health()


@router.get("/readyz")
async def ready(dependencies: ApiDependencies) -> Health:
    """Tell that everything which calls need answers, or what does not."""
    checks: dict[str, Awaitable[None]] = {
        "database": _check_database(dependencies),
        "valkey": _check_cache(dependencies),
        "livekit": _check_http(dependencies, dependencies.livekit.http_url),
    }
    if dependencies.queue is not None:
        checks["worker"] = _check_workers(dependencies)
    for name, url in dependencies.health_urls.items():
        checks[name] = _check_http(dependencies, url)
    passed = await asyncio.gather(*(_passes(check) for check in checks.values()))
    failing = [name for name, passes in zip(checks, passed, strict=True) if not passes]
    if failing:
        raise ApiError(503, "unavailable", f"Not answering: {', '.join(failing)}.")
    return Health()


async def _passes(check: Awaitable[None]) -> bool:
    try:
        async with asyncio.timeout(_CHECK_TIMEOUT):
            await check
    except (TimeoutError, SQLAlchemyError, RedisError, httpx2.HTTPError, NoWorkerError):
        return False
    return True


async def _check_database(dependencies: Dependencies) -> None:
    async with dependencies.database.unscoped() as session:
        await session.execute(text("select 1"))


async def _check_cache(dependencies: Dependencies) -> None:
    await dependencies.cache.get("readyz")  # `ping` is not typed


async def _check_workers(dependencies: Dependencies) -> None:
    if not await WorkerSlots(dependencies.cache).count_workers():
        raise NoWorkerError


async def _check_http(dependencies: Dependencies, url: str) -> None:
    (await dependencies.http.get(url)).raise_for_status()
