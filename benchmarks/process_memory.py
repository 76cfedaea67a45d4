"""Measures the memory of processes while something runs."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import psutil

_INTERVAL = 2.0  # seconds


@dataclass
class MemoryPeak:
    """The largest memory so far."""

    gigabytes: float = 0.0


@asynccontextmanager
async def memory_peak(*commands: str) -> AsyncGenerator[MemoryPeak]:
    """Measure all processes whose command has one of `commands` in it.

    Memory is proportional (PSS): what processes share is counted once.
    """
    peak = MemoryPeak()

    async def sample() -> None:
        while True:
            used = await asyncio.to_thread(_measure, commands)
            peak.gigabytes = max(peak.gigabytes, used / 1e9)
            await asyncio.sleep(_INTERVAL)

    sampling = asyncio.create_task(sample())
    try:
        yield peak
    finally:
        sampling.cancel()


def _measure(commands: tuple[str, ...]) -> int:
    used = 0
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            command = " ".join(process.cmdline())
            if any(name in command for name in commands):
                used += process.memory_full_info().pss
    return used
