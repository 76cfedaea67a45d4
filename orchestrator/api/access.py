"""What a caller may use of the MCP servers: a bot's servers and tools, narrowed by its API key."""

from dataclasses import dataclass

from config.bots import Bot
from config.constellation import constellation
from config.security.api_keys import UNLIMITED, Rights
from config.security.tokens import Claims
from orchestrator.api.credentials import Caller
from orchestrator.api.dependencies import Dependencies
from orchestrator.api.errors import not_found
from orchestrator.api.identities import get_bot, get_bot_by_name
from orchestrator.mcp_client.router import Identity
from orchestrator.mcp_client.tool import ServerUnreachableError, ToolInfo


@dataclass(frozen=True)
class _LimitedIdentity(Identity):
    """An identity with the rights of a key, on `selected` servers.

    Without a bot, it has all tools of these servers that the rights leave.
    """

    rights: Rights = UNLIMITED
    selected: tuple[str, ...] = ()

    @property
    def servers(self) -> list[str]:
        """Return the servers that may be used."""
        return list(self.selected)

    def claims(self, server: str, *, every_tool: bool = False) -> Claims:
        """Return the claims of a token for `server`."""
        claims = super().claims(server, every_tool=every_tool or self.bot is None)
        grant = self.rights.narrow(server, claims.grant)
        return claims.model_copy(update={"grant": grant})


@dataclass(frozen=True)
class EffectiveAccess:
    """An identity, and the rights of the API key, which narrow it.

    With `only`, that server alone is used, and its tools have their own names, without the
    server's. `external` are the external servers that the business has added; they count only
    where no bot is named.
    """

    identity: Identity
    rights: Rights
    only: str | None = None
    external: tuple[str, ...] = ()

    @property
    def servers(self) -> list[str]:
        """Return the servers that may be used."""
        every = [*constellation().servers, *self.external]
        names = self.identity.servers if self.identity.bot else every
        reached = [name for name in names if self.rights.includes_server(name)]
        return reached if self.only is None else [name for name in reached if name == self.only]

    def identity_for(self, *servers: str) -> Identity:
        """Return the identity, narrowed by the rights, that uses only `servers`."""
        identity = self.identity
        return _LimitedIdentity(
            identity.subject,
            identity.business_id,
            identity.bot,
            identity.conversation_id,
            self.rights,
            servers,
        )

    def claims(self, server: str) -> Claims:
        """Return the claims of a token for `server`, which lists and calls tools alike."""
        return self.identity_for(server).claims(server)

    def tool_name(self, tool: ToolInfo) -> str:
        """Return the name by which this caller knows a tool."""
        return tool.name if self.only is None else tool.tool

    def split_name(self, name: str) -> tuple[str, str]:
        """Return the server and the tool of a name that `tool_name` returned."""
        if self.only is not None:
            return self.only, name
        server, _, tool = name.partition("_")  # no server's name contains it
        return server, tool


async def resolve_access(
    dependencies: Dependencies, caller: Caller, *, bot: str | None, server: str | None
) -> EffectiveAccess:
    """Return what a key may use: as the bot named here, else its first one, else its business.

    Raises:
        ApiError: there is no such bot or server for this key.
    """
    acting_bot = await _acting_bot(dependencies, caller, bot)
    external = () if acting_bot else await _external_servers(dependencies, caller)
    access = EffectiveAccess(caller.identity(acting_bot), caller.rights, server, external)
    if server is not None and server not in access.servers:
        raise not_found("server")
    return access


async def _external_servers(dependencies: Dependencies, caller: Caller) -> tuple[str, ...]:
    try:
        return tuple(await dependencies.router.external_servers(caller.business_id))
    except ServerUnreachableError:
        return ()


async def _acting_bot(dependencies: Dependencies, caller: Caller, name: str | None) -> Bot | None:
    rights, business_id = caller.rights, caller.business_id
    if name is not None:
        bot = await get_bot_by_name(dependencies, business_id, name)
        if not rights.includes_bot(bot.id):
            raise not_found("bot")
        return bot
    if rights.bots is None:
        return None
    if not rights.bots:
        raise not_found("bot")
    return await get_bot(dependencies, business_id, rights.bots[0])
