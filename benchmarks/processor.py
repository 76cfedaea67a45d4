"""Processor time of processes, which load on the machine changes far less than wall time."""

import os
import time
from collections.abc import Mapping
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
# Fields of /proc/PID/stat after the name; the last two are those of children that have ended.
_PARENT, _USER, _SYSTEM, _USER_ENDED, _SYSTEM_ENDED = 1, 11, 12, 13, 14


class Meter:
    """Measures the processor time of this process, and of others with their children."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = pids
        self._before = processor_seconds(pids)
        self._own = (
            time.process_time()
        )  # last here and first in `used`: reading /proc takes time, too

    def used(self) -> dict[str, float]:
        """Return seconds since the meter was created, by name; this process is `client`."""
        own = time.process_time() - self._own
        after = processor_seconds(self._pids)
        return {"client": own} | {name: after[name] - self._before[name] for name in after}


def processor_seconds(pids: Mapping[str, int]) -> dict[str, float]:
    """Return the seconds of processor time of each process and its children."""
    stats = {int(entry.name): _stat(entry) for entry in Path("/proc").glob("[0-9]*")}
    used = {name: 0 for name in pids}
    for name, pid in pids.items():
        own = stats.get(pid)
        if own is not None:
            used[name] += own[_USER] + own[_SYSTEM] + own[_USER_ENDED] + own[_SYSTEM_ENDED]
        children = (each for each in stats.values() if each is not None and each[_PARENT] == pid)
        used[name] += sum(each[_USER] + each[_SYSTEM] for each in children)
    return {name: ticks / _TICKS for name, ticks in used.items()}


def _stat(process: Path) -> list[int] | None:
    try:
        fields = (process / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None  # it has just ended
    return [0, *map(int, fields[1 : _SYSTEM_ENDED + 1])]  # the first is a letter
