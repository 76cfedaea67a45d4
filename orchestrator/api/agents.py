"""Bots as the worker sees them."""

from config.bots import Bot
from orchestrator.api.bots import bot_called
from orchestrator.api.operations import Ask, Nothing, Operation


async def get_config(ask: Ask[Nothing]) -> Bot:
    """Get everything about a bot that does not change while a call runs."""
    name = str(ask.request.path_params["name"])
    return await bot_called(ask.dependencies, ask.known.business_id, name)


OPERATIONS = (Operation("GET", "/api/agents/{name}/config", get_config, Nothing, Bot),)
