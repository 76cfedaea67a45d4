"""What roles of processes use: processor time, also of children that have ended, and memory."""

from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import psutil

_WORKERS = frozenset({"ours", "stock"})
_BUSY = 0.02  # of a core; a job process that uses less serves no call


@dataclass
class RoleUsage:
    """The processor time of each role since its beginning, read as often as `sample` is called.

    A worker's own process is `<side> worker`, its job processes are `<side> jobs`; every other role
    is a process with all of its children.
    """

    roots: dict[str, int]
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict[str, float](float))
    _last: dict[tuple[int, float], float] = field(default_factory=dict[tuple[int, float], float])
    _begun: bool = False

    def sample(self) -> None:
        """Add what was used since the last sample."""
        for role, process in self._processes():
            with suppress(psutil.Error):
                key = (process.pid, process.create_time())
                times = process.cpu_times()
                used = times.user + times.system
                before = self._last.get(key, 0.0 if self._begun else used)
                self.seconds[role] += used - before
                self._last[key] = used
        self._begun = True

    def job_times(self, side: str) -> dict[int, float]:
        """Return the processor time of each job process of a worker, by its id."""
        found: dict[int, float] = {}
        for role, process in self._processes():
            if role == f"{side} jobs":
                with suppress(psutil.Error):
                    times = process.cpu_times()
                    found[process.pid] = times.user + times.system
        return found

    def _processes(self) -> list[tuple[str, psutil.Process]]:
        found: list[tuple[str, psutil.Process]] = []
        for name, pid in self.roots.items():
            with suppress(psutil.Error):
                root = psutil.Process(pid)
                children = root.children(recursive=True)
                if name not in _WORKERS:
                    found += [(name, each) for each in (root, *children)]
                    continue
                found.append((f"{name} worker", root))
                # Its children are the forkserver and its like; the jobs are forked by that.
                found += [(_worker_role(name, pid, each), each) for each in children]
        return found


def memory_of_jobs(
    before: Mapping[int, float], after: Mapping[int, float], seconds: float
) -> tuple[list[float], list[float]]:
    """Return the private memory, in MB, of job processes that serve a call and of the others.

    `before` and `after` are their processor times, `seconds` apart.
    """
    busy: list[float] = []
    idle: list[float] = []
    for pid, used in after.items():
        with suppress(psutil.Error):
            megabytes = psutil.Process(pid).memory_full_info().uss / 1e6
            share = (used - before.get(pid, 0.0)) / seconds
            (busy if share > _BUSY else idle).append(megabytes)
    return busy, idle


def _worker_role(name: str, root: int, process: psutil.Process) -> str:
    return f"{name} worker" if process.ppid() == root else f"{name} jobs"
