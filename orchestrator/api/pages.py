"""The talk page: static files, and LiveKit's client for browsers."""

from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from orchestrator.api.dependencies import Dependencies

_TALK = "/talk"


def page_routes(dependencies: Dependencies) -> list[BaseRoute]:
    """Return the routes of the files that are installed."""
    routes: list[BaseRoute] = []
    client = dependencies.livekit_client
    if client is not None:

        async def livekit_client(_: Request) -> Response:
            return FileResponse(client, media_type="text/javascript")

        routes.append(Route(f"{_TALK}/livekit-client.umd.js", livekit_client))
    if dependencies.static.is_dir():
        files = StaticFiles(directory=dependencies.static, html=True)
        routes += [Route("/", _redirect_to_talk), Mount(_TALK, files)]
    return routes


async def _redirect_to_talk(request: Request) -> Response:
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"{_TALK}/{query}")
