"""The errors of the API. Every failure is answered in one shape: `{error, message[, say]}`."""

import math
from collections.abc import Callable, Coroutine, Mapping
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import SkipJsonSchema
from sqlalchemy.exc import DataError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from config.database import UNREACHABLE
from orchestrator.mcp_client.tool import Outcome

_Handler = Callable[[Request, Any], Coroutine[Any, Any, Response]]

# The status of each kind of a failed tool call: `config.protocol.ErrorKind`.
STATUSES: Mapping[str, int] = {
    "invalid": 422,
    "unknown_tool": 404,
    "not_found": 404,
    "rejected": 409,
    "conflict": 409,
    "disconnected": 424,
    "forbidden": 424,
    "rate_limited": 429,
    "unavailable": 503,
    "timeout": 504,
    "outcome_unknown": 504,
    "fault": 502,
}


# In seconds: when what is busy or does not answer may be asked again.
_RETRY: Mapping[str, str] = {"Retry-After": "2"}


class Error(BaseModel):
    """What went wrong: a word for programs, a sentence for people."""

    error: str
    message: str
    say: str | SkipJsonSchema[None] = None


class ApiError(HTTPException):
    """A refused request: its status and the body that the client gets.

    It is an `HTTPException` because FastAPI passes no other one on while it reads a body.
    """

    def __init__(
        self,
        status: int,
        error: str,
        message: str,
        *,
        say: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, message, headers)
        self.error = error
        self.say = say

    def to_response(self) -> Response:
        """Return the response for the client."""
        body = Error(error=self.error, message=self.detail, say=self.say)
        return JSONResponse(
            body.model_dump(exclude_none=True), self.status_code, headers=self.headers
        )


def unauthorized() -> ApiError:
    """Return the refusal of a request without a valid credential."""
    message = "A valid API key or conversation token is needed."
    return ApiError(401, "unauthorized", message, headers={"WWW-Authenticate": "Bearer"})


def forbidden(message: str) -> ApiError:
    """Return the refusal of something that the credential does not allow."""
    return ApiError(403, "forbidden", message)


def not_found(what: str) -> ApiError:
    """Return the refusal for what does not exist, and for what belongs to another business."""
    return ApiError(404, "not_found", f"There is no such {what}.")


def invalid(message: str) -> ApiError:
    """Return the refusal of a request whose fields do not fit."""
    return ApiError(422, "invalid", message)


def unexpected_answer() -> ApiError:
    """Return the error for an MCP server's answer that does not have the promised shape."""
    return ApiError(502, "fault", "A server answered something unexpected.")


def late() -> ApiError:
    """Return the refusal of a read that was not answered within its budget."""
    return ApiError(504, "timeout", "That took too long. Try again in a moment.", headers=_RETRY)


def busy() -> ApiError:
    """Return the refusal of what waited too long for its turn, or was one too many to wait."""
    message = "Too many requests are waiting. Try again in a moment."
    return ApiError(503, "busy", message, headers=_RETRY)


def tool_failure(outcome: Outcome) -> ApiError:
    """Return the error for a tool call that failed."""
    kind = outcome.error or "fault"
    if kind not in STATUSES:  # an external server may have kinds of its own
        kind = "fault"
    wait = outcome.retry_after
    headers = None if wait is None else {"Retry-After": str(math.ceil(wait))}
    return ApiError(STATUSES[kind], kind, outcome.text, say=outcome.say, headers=headers)


async def _handle(_: Request, error: Exception) -> Response:
    match error:
        case ApiError():
            return error.to_response()
        case HTTPException():
            kind = HTTPStatus(error.status_code).name.lower()
            return ApiError(
                error.status_code, kind, _message(error.status_code), headers=error.headers
            ).to_response()
        case _ if isinstance(error, UNREACHABLE):
            message = "The database is not answering."
            return ApiError(503, "unavailable", message, headers=_RETRY).to_response()
        case DataError():  # a value that PostgreSQL does not take, such as a text with NUL
            return invalid("There is a value that does not fit.").to_response()
        case ClientDisconnect():
            return ApiError(400, "bad_request", "The request was not completed.").to_response()
        case _:
            return ApiError(500, "fault", "Something went wrong on our side.").to_response()


def _message(status: int) -> str:
    match status:
        case 404:
            return "There is nothing at this address."
        case 405:
            return "This address does not take that method."
        case _:
            return f"{HTTPStatus(status).phrase}."


EXCEPTION_HANDLERS: Mapping[int | type[Exception], _Handler] = dict.fromkeys(
    (HTTPException, *UNREACHABLE, DataError, ClientDisconnect, Exception), _handle
)
