"""The API, put together: REST, MCP, and the talk page."""

from collections.abc import Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.types import ASGIApp

from orchestrator.api import (
    agents,
    bot_servers,
    conversations,
    health,
    knowledge,
    servers,
    sessions,
    tools,
)
from orchestrator.api.dependencies import Dependencies
from orchestrator.api.errors import HANDLERS
from orchestrator.api.headers import Headers
from orchestrator.api.mcp_gateway import gateway
from orchestrator.api.openapi import document
from orchestrator.api.operations import Ask, Nothing, Operation, routes
from orchestrator.api.pages import pages
from orchestrator.api.webhooks.receive import webhooks


async def get_document(ask: Ask[Nothing]) -> dict[str, Any]:
    """Get this document."""
    del ask
    return document(OPERATIONS)


OPERATIONS: Sequence[Operation[Any]] = (
    *sessions.OPERATIONS,
    *conversations.OPERATIONS,
    *knowledge.OPERATIONS,
    *agents.OPERATIONS,
    *tools.OPERATIONS,
    *servers.OPERATIONS,
    *bot_servers.OPERATIONS,
    *health.OPERATIONS,
    Operation("GET", "/openapi.json", get_document, Nothing, dict[str, Any], "public"),
)


def create_app(dependencies: Dependencies) -> ASGIApp:
    """Return the API over what it needs, which somebody else opens and closes."""
    app = Starlette(
        routes=[
            *routes(dependencies, OPERATIONS),
            *webhooks(dependencies),
            *gateway(dependencies),
            *pages(dependencies),
        ],
        exception_handlers=HANDLERS,
    )
    # Outermost, so that even an answer to our own mistake has its headers.
    return Headers(app, dependencies.livekit)
