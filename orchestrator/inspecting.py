"""What a bot's model sees of its tools."""

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

from config.bots import BotNotFoundError, load
from config.settings import Settings, required
from config.tokens import Signer
from orchestrator.agent.catalogue import Catalogue, offered, servers_of
from orchestrator.applying import stores
from orchestrator.constellation import Constellation, Identity, ToolCard


@dataclass(frozen=True)
class SeenTool:
    """One tool, as it stands in the model's context."""

    name: str
    description: str
    arguments: tuple[str, ...]
    schema: dict[str, Any]
    tokens: int


async def seen_tools(settings: Settings, business: str, bot_name: str) -> list[SeenTool]:
    """Ask the bot's servers, and return what its model sees.

    Raises:
        BotNotFoundError: there is no such bot.
        ServerUnreachableError: a server does not answer.
    """
    signer = Signer(required("SERVICE_TOKEN_PRIVATE_KEY", settings.service_token_private_key))
    constellation = Constellation(signer, settings.mcp_server_url)
    async with stores(settings) as (database, cache):
        async with database.nobody() as session:
            query = text("select business_id, bot_id from find_bot(:business, :bot)")
            row = (await session.execute(query, {"business": business, "bot": bot_name})).first()
        if row is None:
            raise BotNotFoundError
        bot = await load(database, cache, row.business_id, row.bot_id)
        identity = Identity("cli", bot.business_id, bot)
        catalogue = Catalogue(constellation, cache)
        try:
            listed = {
                server: await catalogue.refresh(identity, server) for server in servers_of(bot)
            }
        finally:
            await constellation.aclose()
    return [_seen(card) for card in offered(bot, listed)]


def _seen(card: ToolCard) -> SeenTool:
    function = {
        "name": card.name,
        "description": card.description,
        "parameters": dict(card.parameters),
    }
    schema: dict[str, Any] = {"type": "function", "function": function}
    arguments = tuple(card.parameters.get("properties", {}))
    return SeenTool(card.name, card.description, arguments, schema, _tokens(schema))


def _tokens(schema: dict[str, Any]) -> int:
    # Imported here: it takes seconds, which only this command should pay.
    from orchestrator.agent.model import token_count

    return token_count(json.dumps(schema, ensure_ascii=False))
