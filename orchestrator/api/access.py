"""Whom a caller acts as towards the servers, and what that leaves it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from config.bots import Bot
from config.constellation import constellation
from config.declarations.schema import ToolPolicy
from config.security.api_keys import Rights
from config.security.tokens import Claims, Grant
from orchestrator.agent.background_tasks import Background
from orchestrator.api.bots import bot_called, bot_with_id
from orchestrator.api.credentials import Caller
from orchestrator.api.dependencies import Dependencies
from orchestrator.api.errors import not_found
from orchestrator.mcp_client.router import READ_BUDGET, WRITE_BUDGET, Identity
from orchestrator.mcp_client.tool import Outcome, ServerUnreachableError, ToolInfo, unknown_tool
from orchestrator.mcp_client.tool_cache import ToolCache, offered

_PATIENCE = 2.0  # seconds that a list waits for a server


@dataclass(frozen=True)
class _Among(Identity):
    """An identity of which some servers are asked; without a bot, for all that they have."""

    among: tuple[str, ...] = ()

    @property
    def servers(self) -> list[str]:
        """Return the servers that may be used."""
        return list(self.among)

    def claims(self, server: str, *, every_tool: bool = False) -> Claims:
        """Return what the token for `server` says."""
        return super().claims(server, every_tool=every_tool or self.bot is None)


@dataclass(frozen=True)
class Seat:
    """An identity, and the rights that narrow it. With `only`, tools have their server's names.

    `added` are the servers of others that the business has.
    """

    identity: Identity
    rights: Rights
    only: str | None = None
    added: tuple[str, ...] = ()

    @property
    def servers(self) -> list[str]:
        """Return the servers that may be used."""
        ours = [*constellation().servers, *self.added]
        every = self.identity.servers if self.identity.bot else ours
        within = [name for name in every if self.rights.reaches(name)]
        return within if self.only is None else [name for name in within if name == self.only]

    def among(self, *servers: str) -> Identity:
        """Return the identity as `servers` are to see it, before the rights narrow it."""
        whole = self.identity
        return _Among(
            whole.subject, whole.business_id, whole.bot, whole.conversation_id, among=servers
        )

    def claims(self, server: str) -> Claims:
        """Return what the token for a call on `server` says."""
        claims = self.among(server).claims(server)
        grant = self.rights.narrowed(server, claims.grant)
        return claims.model_copy(update={"grant": grant})

    def name(self, card: ToolInfo) -> str:
        """Return what the tool is called here."""
        return card.name if self.only is None else card.tool

    def place(self, name: str) -> tuple[str, str]:
        """Return the server and the tool that a name means."""
        if self.only is not None:
            return self.only, name
        server, _, tool = name.partition("_")  # which no server's name contains
        return server, tool


async def seat_of(
    dependencies: Dependencies, caller: Caller, *, bot: str | None, server: str | None
) -> Seat:
    """Return whom a key acts as: the bot that it names, else its first one, else its business.

    Raises:
        ApiError: there is no such bot or server for this key.
    """
    found = await _bot(dependencies, caller, bot)
    added = () if found else await _added(dependencies, caller)
    seat = Seat(caller.identity(found), caller.rights, server, added)
    if server is not None and server not in seat.servers:
        raise not_found("server")
    return seat


async def _added(dependencies: Dependencies, caller: Caller) -> tuple[str, ...]:
    try:
        return tuple(await dependencies.constellation.external_servers(caller.business_id))
    except ServerUnreachableError:
        return ()


async def _bot(dependencies: Dependencies, caller: Caller, name: str | None) -> Bot | None:
    rights, business_id = caller.rights, caller.business_id
    if name is not None:
        named = await bot_called(dependencies, business_id, name)
        if not rights.includes(named.id):
            raise not_found("bot")
        return named
    if rights.bots is None:
        return None
    if not rights.bots:
        raise not_found("bot")
    return await bot_with_id(dependencies, business_id, rights.bots[0])


class Tools:
    """The tools of every seat, over the connections and the lists that the agent uses, too."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._constellation = dependencies.constellation
        self._catalogue = ToolCache(dependencies.constellation, dependencies.cache, whole=True)
        self._background = Background()

    async def listed(self, seat: Seat) -> tuple[list[ToolInfo], bool]:
        """Return the tools of a seat, and whether every server has been heard."""
        news: dict[str, tuple[ToolInfo, ...]] = {}
        known, asked = await self._catalogue.tools(seat.among(*seat.servers), news.__setitem__)
        for task in asked:
            self._background.keep(task)
        if asked:
            await asyncio.wait(asked, timeout=_PATIENCE)
        lists = known | news
        grants = {server: seat.claims(server).grant for server in seat.servers}
        cards = [card for card in _chosen(seat, lists) if _may(grants[card.server], card)]
        return cards, grants.keys() <= lists.keys()

    async def call(
        self, seat: Seat, name: str, arguments: Mapping[str, Any], key: str | None
    ) -> Outcome:
        """Call a tool by the name that it has for this seat; `key` makes a repeat harmless."""
        server, tool = seat.place(name)
        claims = seat.claims(server)
        if server not in seat.servers or not claims.grant.allows(tool):
            return unknown_tool()
        card = await self._known(seat, server, tool)
        policy = seat.identity.bot.policy(server, tool) if seat.identity.bot else ToolPolicy()
        return await self._constellation.call(
            server,
            tool,
            arguments,
            claims,
            budget=policy.timeout or (READ_BUDGET if card and card.reads else WRITE_BUDGET),
            retry=card is not None and card.repeatable,
            key=key,
        )

    async def _known(self, seat: Seat, server: str, tool: str) -> ToolInfo | None:
        cards = (await self._catalogue.known(seat.among(server))).get(server, ())
        return next((card for card in cards if card.tool == tool), None)


def _chosen(seat: Seat, lists: dict[str, tuple[ToolInfo, ...]]) -> list[ToolInfo]:
    """Return what the bot offers its model, unless the key names tools itself."""
    bot = seat.identity.bot
    if bot is not None and seat.rights.tools is None:
        return offered(bot, lists)
    return [card for server in seat.servers for card in lists.get(server, ())]


def _may(grant: Grant, card: ToolInfo) -> bool:
    return grant.allows(card.tool) and (card.reads or grant.write)
