"""Searches the bot's documents for the caller's words, before the caller has finished."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from config.bots import Bot
from config.security.tokens import Claims, Grant
from orchestrator.agent.client_events import Publish
from orchestrator.agent.recorder import RecordToolCall
from orchestrator.mcp_client.router import Identity, Router
from orchestrator.mcp_client.tool import Outcome
from orchestrator.runtime.background_tasks import BackgroundTasks

SERVER, TOOL = "knowledge", "search_knowledge"
_TIMEOUT = 2.0  # seconds that a turn waits for passages
_PASSAGES = 2  # of a search
_MIN_WORDS = 3  # of a text that is searched for
_SAME = 0.8  # share of words in common, from which on two texts are one search


@dataclass
class _Search:
    words: tuple[str, ...]
    task: asyncio.Task[Outcome]


class Retrieval:
    """The searches of one call; one for almost the same words is not repeated."""

    def __init__(
        self,
        bot: Bot,
        identity: Identity,
        router: Router,
        publish: Publish,
        background: BackgroundTasks,
        record: RecordToolCall | None = None,
    ) -> None:
        self._enabled = bot.knowledge_base_id is not None
        self._claims: Claims = identity.claims(SERVER).model_copy(
            update={"grant": Grant(tools=(TOOL,), write=False)}
        )
        self._router = router
        self._publish = publish
        self._background = background
        self._record = record
        self._search: _Search | None = None

    @property
    def servers(self) -> Sequence[str]:
        """Return the servers that it calls."""
        return (SERVER,) if self._enabled else ()

    def prefetch(self, text: str) -> None:
        """Start a search for the words so far, unless the last search covers them."""
        words = _words(text)
        if not self._enabled or len(words) < _MIN_WORDS or self._covers(words):
            return
        self._search = _Search(words, self._background.start(self._search_knowledge(text)))

    async def find_passages(self, text: str) -> list[str]:
        """Return the passages for the caller's whole words; none if they do not come in time."""
        self.prefetch(text)
        if self._search is None or not self._covers(_words(text)):
            return []
        done, _ = await asyncio.wait({self._search.task}, timeout=_TIMEOUT)
        return _texts(self._search.task.result()) if done else []

    def _covers(self, words: Sequence[str]) -> bool:
        """Return whether the last search was for almost these words."""
        if self._search is None:
            return False
        before, now = set(self._search.words), set(words)
        return len(before & now) >= _SAME * max(len(before | now), 1)

    async def _search_knowledge(self, text: str) -> Outcome:
        arguments = {"query": text, "top_k": _PASSAGES}
        outcome = await self._router.call(SERVER, TOOL, arguments, self._claims, retry=True)
        if self._record is not None:
            self._record(SERVER, TOOL, arguments, outcome, "retrieval")
        self._publish(
            "retrieval",
            {
                "server": SERVER,
                "tool": TOOL,
                "arguments": {"query": text},
                "ms": round(outcome.ms, 1),
                "outcome": outcome.error or "ok",
                "passages": _texts(outcome),
                "chosen_by": "retrieval",
            },
        )
        return outcome


def _texts(outcome: Outcome) -> list[str]:
    passages = cast("Sequence[dict[str, Any]]", outcome.data.get("passages", ()))
    return [str(passage.get("text", "")) for passage in passages]


def _words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\w+", text.lower()))
