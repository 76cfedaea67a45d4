"""Headers of every answer: security for all, CORS for the origins that a bot allows."""

from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from config.bots import Bot
from orchestrator.api.dependencies import Dependencies, LiveKitAccess, to_http_url

_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Type",
    "Access-Control-Max-Age": "600",
}
_EXPOSED = "Content-Disposition, Retry-After"


class SecurityHeaders:
    """ASGI middleware that completes the headers of every response."""

    def __init__(self, app: ASGIApp, livekit: LiveKitAccess) -> None:
        self._app = app
        headers = _security_headers(livekit)
        self._raw_headers = [
            (name.lower().encode(), value.encode()) for name, value in headers.items()
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_completed(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._complete(scope, MutableHeaders(scope=message))
            await send(message)

        await self._app(scope, receive, send_completed)

    def _complete(self, scope: Scope, headers: MutableHeaders) -> None:
        present = {name for name, _ in headers.raw}
        headers.raw.extend(header for header in self._raw_headers if header[0] not in present)
        if scope["path"].startswith("/api/"):
            headers.setdefault("Cache-Control", "no-store")
        headers.add_vary_header("Origin")
        origin = scope.get("state", {}).get("allowed_origin")
        if origin is not None:
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Expose-Headers"] = _EXPOSED


def _security_headers(livekit: LiveKitAccess) -> dict[str, str]:
    urls = livekit.client_url, to_http_url(livekit.client_url)
    rooms = " ".join(f"{urlsplit(url).scheme}://{urlsplit(url).netloc}" for url in urls)
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


def allow_origin(dependencies: Dependencies, request: Request, bot: Bot) -> bool:
    """Let the page that asks read the answer, if the bot may be used from its origin.

    Returns whether the bot may be used; a request without an origin comes from no page.
    """
    origin = request.headers.get("origin")
    if origin is None:
        return True
    if origin not in (bot.allowed_origins or dependencies.origins):
        return False
    request.state.allowed_origin = origin
    return True


async def preflight(request: Request) -> Response:
    """Answer a preflight: any page may ask; whether it may read the answer depends on the bot.

    A preflight has neither body nor token, so it cannot tell whose bot it is about.
    """
    request.state.allowed_origin = request.headers.get("origin")
    return Response(status_code=204, headers=_PREFLIGHT)
