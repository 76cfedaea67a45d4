"""Bots, as the worker that takes a call sees them."""

from config.bots import Bot
from orchestrator.api.credentials import KeyCaller
from orchestrator.api.dependencies import ApiDependencies
from orchestrator.api.identities import get_bot_by_name
from orchestrator.api.routing import ApiRouter

router = ApiRouter()


@router.get("/api/agents/{name}/config")
async def get_config(name: str, caller: KeyCaller, dependencies: ApiDependencies) -> Bot:
    """Get everything about a bot that does not change while a call runs."""
    return await get_bot_by_name(dependencies, caller.business_id, name)
