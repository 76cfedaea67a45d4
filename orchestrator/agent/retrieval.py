"""What the bot's documents say about the caller's words, asked before the caller has finished."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from config.bots import Bot
from config.security.tokens import Claims, Grant
from orchestrator.agent.background_tasks import Background
from orchestrator.agent.client_events import Publish
from orchestrator.mcp_client.router import Identity, Router
from orchestrator.mcp_client.tool import Outcome

SERVER, TOOL = "knowledge", "search_knowledge"
_BUDGET = 2.0  # seconds a turn may wait for passages that were asked for too late
_PASSAGES = 2
_FEW_WORDS = 3
_ALIKE = 0.8


@dataclass
class _Search:
    words: tuple[str, ...]
    task: asyncio.Task[Outcome]


class Retrieval:
    """Searches while the caller speaks; a search for almost the same words is not repeated."""

    def __init__(
        self,
        bot: Bot,
        identity: Identity,
        constellation: Router,
        publish: Publish,
        background: Background,
    ) -> None:
        self._enabled = bot.knowledge_base_id is not None
        self._claims: Claims = identity.claims(SERVER).model_copy(
            update={"grant": Grant(tools=(TOOL,), write=False)}
        )
        self._constellation = constellation
        self._publish = publish
        self._background = background
        self._search: _Search | None = None

    @property
    def servers(self) -> Sequence[str]:
        """Return whom it asks."""
        return (SERVER,) if self._enabled else ()

    def hear(self, text: str) -> None:
        """Search for what has been heard so far, unless that is being done."""
        words = _words(text)
        if not self._enabled or len(words) < _FEW_WORDS or self._serves(words):
            return
        self._search = _Search(words, self._background.start(self._ask(text)))

    async def passages(self, text: str) -> list[str]:
        """Return what was found for the caller's whole words; a late answer is done without."""
        self.hear(text)
        if self._search is None or not self._serves(_words(text)):
            return []
        done, _ = await asyncio.wait({self._search.task}, timeout=_BUDGET)
        return _texts(self._search.task.result()) if done else []

    def _serves(self, words: Sequence[str]) -> bool:
        """Say whether the last search was for these words, give or take the last few."""
        if self._search is None:
            return False
        before, now = set(self._search.words), set(words)
        return len(before & now) >= _ALIKE * max(len(before | now), 1)

    async def _ask(self, text: str) -> Outcome:
        outcome = await self._constellation.call(
            SERVER, TOOL, {"query": text, "top_k": _PASSAGES}, self._claims, retry=True
        )
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
    found: Any = outcome.data.get("passages", ())
    passages = cast("Sequence[dict[str, Any]]", found)
    return [str(passage.get("text", "")) for passage in passages]


def _words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\w+", text.lower()))
