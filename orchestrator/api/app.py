"""The API, put together: REST, webhooks, MCP, and the talk page."""

from functools import cache
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp

from orchestrator.api import (
    automations,
    bot_servers,
    bots,
    conversations,
    health,
    knowledge,
    servers,
    sessions,
    tools,
)
from orchestrator.api.credentials import Authenticator
from orchestrator.api.dependencies import Dependencies
from orchestrator.api.errors import EXCEPTION_HANDLERS
from orchestrator.api.headers import SecurityHeaders
from orchestrator.api.mcp_gateway import gateway_routes
from orchestrator.api.openapi import document
from orchestrator.api.pages import page_routes
from orchestrator.api.routing import ApiRoute, ApiRouter, preflight_routes
from orchestrator.api.tool_dispatcher import ToolDispatcher
from orchestrator.api.webhooks.receive import webhook_routes

router = ApiRouter(public=True)


@router.get("/openapi.json")
async def get_document() -> dict[str, Any]:
    """Get this document."""
    return _document()


_ROUTERS = (
    sessions.router,
    conversations.router,
    knowledge.router,
    bots.router,
    tools.router,
    servers.router,
    bot_servers.router,
    automations.router,
    health.router,
    router,
)
OPERATIONS: tuple[ApiRoute, ...] = tuple(
    operation for router in _ROUTERS for operation in router.operations
)


@cache
def _document() -> dict[str, Any]:
    return document(OPERATIONS)


def create_app(dependencies: Dependencies) -> ASGIApp:
    """Return the API over its dependencies, which the caller opens and closes."""
    dispatcher = ToolDispatcher(dependencies)
    app = FastAPI(
        # Not `include_router()`: it matches every route twice, and each request pays for that.
        routes=[
            *OPERATIONS,
            *preflight_routes(OPERATIONS),
            *webhook_routes(dependencies),
            *gateway_routes(dependencies, dispatcher),
            *page_routes(dependencies),
        ],
        exception_handlers=dict(EXCEPTION_HANDLERS),
        openapi_url=None,  # which also leaves out the pages that load scripts from a CDN
        # It would send addresses, which may hold what should not be stored.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.dependencies = dependencies
    app.state.authenticator = Authenticator(dependencies)
    app.state.tool_dispatcher = dispatcher
    # Outermost, so that even the answer to an unexpected error has its headers.
    return SecurityHeaders(app, dependencies.livekit)
