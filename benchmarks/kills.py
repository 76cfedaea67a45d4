"""Kills processes under running calls: is every turn stored once, and does an agent come back?

Callers type numbered messages without a pause. A message counts once the agent has acknowledged it
(the event `user_transcript`), for then it is in the journal. Meanwhile a job, the worker, the API,
the MCP servers or PostgreSQL is killed with SIGKILL, in turn, and started anew; the next one once
every caller is listened to again. At the end each acknowledged message has to be stored exactly
once. After that one caller's job is killed again and
again, and the time until the caller hears the next agent is taken. Ctrl-C ends the kills early:
what was acknowledged until then is still counted.

Run: `python -m benchmarks.kills [KILLS] [RECOVERIES]`
"""

import asyncio
import os
import signal
import sys
import time
from asyncio.subprocess import DEVNULL
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
from livekit import rtc

from benchmarks.fake_servers import model_server
from benchmarks.figures import heading, percentile
from config.settings import Settings
from orchestrator.admin.api_keys import create_api_key
from orchestrator.admin.declarations import apply_file
from orchestrator.demo.caller import Caller, CallError
from orchestrator.local.deployment import Deployment, Plan, run_deployment

_DECLARATION = Path(__file__).with_name("museum.yaml")
_BUSINESS, _BOT = "harbour-museum", "answering"
_CALLERS = 3
_PAUSE = 0.8  # seconds between two messages of a caller, more than the agent's limit asks for
_REST = 3.0  # seconds between two kills, at least
_PLACES = ("job", "worker", "api", "mcp", "postgres")
_PROGRESS = 10  # kills, after which their number is printed
_DEADLINE = 90.0  # seconds that a thing may take, after which the run has failed


@dataclass
class Supervisor:
    """Kills the processes of a deployment, and starts them anew."""

    deployment: Deployment
    folder: Path
    pids: dict[str, int]
    children: list[asyncio.subprocess.Process] = field(
        default_factory=list[asyncio.subprocess.Process]
    )

    async def kill(self, place: str, caller: "TypingCaller") -> None:
        """Kill one place; what is no job is started again at once."""
        match place:
            case "job":
                self.kill_job(caller.conversation_id)
            case "postgres":
                await self._restart_postgres()
            case _:
                with suppress(ProcessLookupError):
                    os.killpg(self.pids[place], signal.SIGKILL)
                self.pids[place] = await self._start(
                    sys.executable,
                    "-m",
                    "orchestrator",
                    place,
                    env=self.deployment.environment_of(place),
                )

    def kill_job(self, conversation_id: UUID | None) -> bool:
        """Kill the process that serves a call; return whether there was one."""
        journals = (self.folder / "journal").glob(f"{conversation_id}.*.jsonl")
        for path in sorted(journals, key=lambda path: path.stat().st_mtime, reverse=True):
            with suppress(ProcessLookupError):
                os.kill(int(path.name.split(".")[1]), signal.SIGKILL)
                return True
        return False

    async def aclose(self) -> None:
        """Kill what was started here."""
        for child in self.children:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            await child.wait()

    async def _restart_postgres(self) -> None:
        command, (user, group) = await asyncio.to_thread(_kill_postgres, self.folder / "engines")
        await self._start(*command, user=user, group=group, extra_groups=())

    async def _start(self, *command: str, **options: Any) -> int:
        log = os.open(self.folder / "restarts.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            child = await asyncio.create_subprocess_exec(
                *command,
                stdin=DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **options,
            )
        finally:
            os.close(log)
        self.children.append(child)
        return child.pid


def _kill_postgres(engines: Path) -> tuple[list[str], tuple[int, int]]:
    """Kill PostgreSQL, wait until nothing of it is left, and return how it was started, by whom."""
    folder = next(engines.rglob("postmaster.pid")).parent
    pid = int((folder / "postmaster.pid").read_text().splitlines()[0])
    command = Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0").split("\0")
    owner = Path(f"/proc/{pid}").stat()
    os.kill(pid, signal.SIGKILL)
    while _is_used(folder):  # a new one refuses to start beside the old one's backends
        time.sleep(0.1)
    return command, (owner.st_uid, owner.st_gid)


def _is_used(folder: Path) -> bool:
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").readlink() == folder:
                return True
    return False


@dataclass
class TypingCaller:
    """Types numbered messages in call after call, and knows which were acknowledged."""

    deployment: Deployment
    key: str
    name: str
    acknowledged: list[str] = field(default_factory=list[str])
    conversations: list[UUID] = field(default_factory=list[UUID])
    calls: int = 0
    caller: Caller | None = None

    @property
    def conversation_id(self) -> UUID | None:
        """Return the conversation of the running call."""
        return self.conversations[-1] if self.conversations else None

    async def run(self) -> None:
        """Call, type until the room is closed, and call again, until cancelled."""
        while True:
            self.caller = caller = Caller(self._note)
            try:
                await caller.call(self.deployment.api_url, _BUSINESS, _BOT, self.key)
            except (CallError, httpx2.HTTPError, KeyError):  # killed just now, or a queue
                await asyncio.sleep(1)
                continue
            self.calls += 1
            self.conversations.append(UUID(caller.session["conversation_id"]))
            try:
                await self._type(caller)
            finally:
                await caller.hang_up()

    async def _type(self, caller: Caller) -> None:
        number = 0
        while not caller.disconnected.is_set():
            number += 1
            text = f"{self.name}{self.calls}-{number}"
            with suppress(rtc.StreamError, RuntimeError):  # the room was closed just now
                await caller.room.local_participant.send_text(text, topic="lk.chat")
            await asyncio.sleep(_PAUSE)

    def _note(self, event: dict[str, Any]) -> None:
        if event["type"] == "user_transcript":
            self.acknowledged.append(event["text"])


async def main(kills: int, recoveries: int) -> None:
    """Kill, count what is stored, and time how soon an agent is back."""
    folder = Path(os.environ.get("KILLS_FOLDER", f"/tmp/antiphon-kills-{os.getpid()}"))
    async with model_server() as models:
        extra = {"MODELS_URL": models, "WORKER_MAX_CALLS": "6", "MCP_CALLS_PER_MINUTE": "100000"}
        plan = Plan(folder=folder, jobs=True, extra=extra)
        async with run_deployment(Settings(), plan, print) as deployment:
            await apply_file(deployment.settings, _DECLARATION)
            key = await create_api_key(deployment.settings, _BUSINESS, "kills")
            pids = {process.name: process.pid for process in deployment.processes}
            supervisor = Supervisor(deployment, folder, pids)
            print(f"kills: {kills} kills, {_CALLERS} callers; {heading()}")
            try:
                await _kill_under_load(supervisor, key, kills)
                await _time_recoveries(supervisor, key, recoveries)
            finally:
                await supervisor.aclose()
    print(f"at the end: {heading()}")


async def _kill_under_load(supervisor: Supervisor, key: str, kills: int) -> None:
    callers = [TypingCaller(supervisor.deployment, key, name) for name in "abc"[:_CALLERS]]
    running = [asyncio.create_task(caller.run()) for caller in callers]
    killed: Counter[str] = Counter()
    unheard = 0
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stopped.set)
    await _all_are_heard(callers)
    for number in range(kills):
        if stopped.is_set():
            break
        place = _PLACES[number % len(_PLACES)]
        await supervisor.kill(place, callers[number % len(callers)])
        killed[place] += 1
        await asyncio.sleep(_REST)
        unheard += not await _all_are_heard(callers)
        if (number + 1) % _PROGRESS == 0:
            acknowledged = sum(len(caller.acknowledged) for caller in callers)
            print(f"{number + 1} kills, {acknowledged} turns acknowledged", flush=True)
    asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)
    print(f"kills after which a caller was not heard within {_DEADLINE:g} s: {unheard}")
    await asyncio.sleep(30)  # the last ones are recovered from
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    expected = [text for caller in callers for text in caller.acknowledged]
    conversations = [each for caller in callers for each in caller.conversations]
    stored = await _stored_turns(supervisor.deployment, key, conversations, set(expected))
    lost = sorted(set(expected) - stored.keys())
    twice = sorted(text for text, count in stored.items() if count > 1)
    print(f"killed: {dict(killed)}; calls: {len(conversations)}")
    print(f"turns acknowledged: {len(expected)}; lost: {len(lost)} {lost[:5]}; twice: {len(twice)}")


async def _all_are_heard(callers: Sequence[TypingCaller]) -> bool:
    """Wait until an agent has acknowledged two more messages of each caller; False if it does not.

    Two, because the first may have been on its way when the process was killed.
    """
    before = [len(caller.acknowledged) for caller in callers]
    try:
        async with asyncio.timeout(_DEADLINE):
            for caller, count in zip(callers, before, strict=True):
                while len(caller.acknowledged) < count + 2:  # noqa: ASYNC110 - events of rooms
                    await asyncio.sleep(0.1)
    except TimeoutError:
        return False
    return True


async def _stored_turns(
    deployment: Deployment, key: str, conversations: Sequence[UUID], expected: set[str]
) -> Counter[str]:
    """Return how often each text is stored, once all are there or the deadline is over."""
    headers = {"Authorization": f"Bearer {key}"}
    stored: Counter[str] = Counter()
    deadline = time.monotonic() + _DEADLINE
    async with httpx2.AsyncClient(
        base_url=deployment.api_url, headers=headers, timeout=15, trust_env=False
    ) as client:
        while time.monotonic() < deadline and expected - stored.keys():
            await asyncio.sleep(2)
            stored = Counter()
            for each in conversations:
                answer = await client.get(f"/api/conversations/{each}/transcript")
                if answer.is_success:
                    stored.update(e["text"] for e in answer.json() if e["role"] == "user")
    return stored


async def _time_recoveries(supervisor: Supervisor, key: str, recoveries: int) -> None:
    seconds: list[float] = []
    while len(seconds) < recoveries:
        caller = Caller()
        started = time.time()
        await caller.call(supervisor.deployment.api_url, _BUSINESS, _BOT, key)
        assert await caller.wait_for_reply(started, _DEADLINE) is not None
        killed = time.time()
        supervisor.kill_job(UUID(caller.session["conversation_id"]))
        await asyncio.sleep(1)  # what is still on its way is the dead agent's
        heard = await caller.wait_for_reply(killed + 1, _DEADLINE)
        assert heard is not None, "no agent came back"
        seconds.append(heard - killed)
        await caller.hang_up()
        await asyncio.sleep(2)
    if not seconds:
        return
    figures = ", ".join(f"p{p} {percentile(seconds, p):.1f} s" for p in (50, 95, 100))
    print(f"until the caller hears an agent again, {len(seconds)} kills of a job: {figures}")


if __name__ == "__main__":
    arguments = [int(each) for each in sys.argv[1:]]
    asyncio.run(main(*(arguments + [200, 20][len(arguments) :])))
