"""Limits of JSON in request bodies: how large, how many values, how deeply nested.

A body is scanned before it is parsed, since what it costs grows with its values: the parser makes
an object of each, and pydantic an error of each that is wrong.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_DEPTH: Final = 100
_INVALID_REQUEST = -32600  # JSON-RPC's code; neither the SDK nor `toolkit` is imported here
# A string, also one that does not end, or a character of the structure. Possessive, so that no
# input makes it go back.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{\]},]', re.DOTALL)


class BodyTooLargeError(Exception):
    """A request's body is larger than it may be."""


async def read_body(request: Request, max_size: int) -> bytes:
    """Return the body as it came.

    Raises:
        BodyTooLargeError: it is larger than `max_size` bytes. What is left of it is not read.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and (len(announced) > len(str(max_size)) or int(announced) > max_size):
        raise BodyTooLargeError
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_size:
            raise BodyTooLargeError
    return bytes(body)


def is_within_limits(body: bytes, max_values: int) -> bool:
    """Say whether JSON has at most `max_values` values, and at most `MAX_DEPTH` levels of them.

    Empty lists and objects count twice. A body that is not JSON is within the limits if its commas
    and brackets are. One that has NUL is not: it is JSON in UTF-16 or UTF-32, which MCP's parser
    would read, if it is any.
    """
    if b"\x00" in body:
        return False
    openings = body.count(b"[") + body.count(b"{")
    if openings <= MAX_DEPTH and openings + body.count(b",") < max_values:
        return True  # almost every body, whatever of this stands in its strings
    values, depth = 1, 0
    for match in _TOKEN.finditer(body):
        match match[0]:
            case b"[" | b"{":
                values, depth = values + 1, depth + 1
            case b"]" | b"}":
                depth -= 1
            case b",":
                values += 1
            case _:
                continue
        if values > max_values or depth > MAX_DEPTH:
            return False
    return True


class McpBodyLimits:
    """ASGI middleware of MCP endpoints that answers bodies beyond the limits with an error.

    A request whose credential has been refused is passed on unread.
    """

    def __init__(self, app: ASGIApp, *, max_size: int, max_values: int) -> None:
        self._app = app
        self._max_size = max_size  # bytes
        self._max_values = max_values

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] != "POST" or _is_refused(scope):
            await self._app(scope, receive, send)
            return
        try:
            body = await read_body(Request(scope, receive), self._max_size)
        except BodyTooLargeError:
            message = f"The body must not be larger than {self._max_size} bytes."
            await _too_large(message)(scope, receive, send)
            return
        except ClientDisconnect:  # nobody waits for an answer
            return
        if not is_within_limits(body, self._max_values):
            await _too_large(values_message(self._max_values))(scope, receive, send)
            return
        unread: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return unread.pop() if unread else await receive()

        await self._app(scope, replay, send)


def values_message(max_values: int) -> str:
    """Return what is said of a body that `is_within_limits` refuses."""
    return f"The body must be JSON of at most {max_values} values and {MAX_DEPTH} levels."


def _is_refused(scope: Scope) -> bool:
    user: Any = scope.get("user")
    return user is not None and not user.is_authenticated


def _too_large(message: str) -> Response:
    error: Mapping[str, Any] = {"code": _INVALID_REQUEST, "message": message}
    return JSONResponse({"jsonrpc": "2.0", "id": None, "error": error}, 413)
