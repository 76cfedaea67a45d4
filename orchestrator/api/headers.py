"""Headers of every answer: security for all, CORS for the origins that a bot allows."""

from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from config.bots import Bot
from orchestrator.api.dependencies import Dependencies, LiveKitAccess, plain_http

_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Type",
    "Access-Control-Max-Age": "600",
}
_EXPOSED = "Content-Disposition, Retry-After"


class Headers:
    """Adds the headers to whatever the application answers."""

    def __init__(self, app: ASGIApp, livekit: LiveKitAccess) -> None:
        self._app = app
        self._security = _security(livekit)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._complete(Request(scope), MutableHeaders(scope=message))
            await send(message)

        await self._app(scope, receive, with_headers)

    def _complete(self, request: Request, headers: MutableHeaders) -> None:
        for name, value in self._security.items():
            headers.setdefault(name, value)
        if request.url.path.startswith("/api/"):
            headers.setdefault("Cache-Control", "no-store")
        headers.add_vary_header("Origin")
        origin = getattr(request.state, "allowed_origin", None)
        if origin is not None:
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Expose-Headers"] = _EXPOSED


def _security(livekit: LiveKitAccess) -> dict[str, str]:
    rooms = " ".join(f"{urlsplit(url).scheme}://{urlsplit(url).netloc}" for url in _both(livekit))
    policy = (
        "default-src 'self'",
        f"connect-src 'self' {rooms}",
        "img-src 'self' data:",
        "media-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
    return {
        "Content-Security-Policy": "; ".join(policy),
        "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }


def _both(livekit: LiveKitAccess) -> tuple[str, str]:
    return livekit.client_url, plain_http(livekit.client_url)


def allows(dependencies: Dependencies, request: Request, bot: Bot) -> bool:
    """Say whether this bot may be used from the page that asks, and let it read the answer."""
    origin = request.headers.get("origin")
    if origin is None:
        return True
    if origin not in (bot.allowed_origins or dependencies.origins):
        return False
    request.state.allowed_origin = origin
    return True


def preflight(request: Request) -> Response:
    """Let a page ask: whether it may read the answer is decided when the bot is known.

    A preflight has neither body nor token, so it cannot tell whose bot it is about.
    """
    request.state.allowed_origin = request.headers.get("origin")
    return Response(status_code=204, headers=_PREFLIGHT)
