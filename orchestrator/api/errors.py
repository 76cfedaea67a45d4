"""Every failure of the API has one shape: `{error, message}`, and `say` where a tool gave it."""

from collections.abc import Mapping
from http import HTTPStatus

from pydantic import BaseModel
from pydantic.json_schema import SkipJsonSchema
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ExceptionHandler

from config.database import UNREACHABLE
from orchestrator.mcp_client.tool import Outcome

# The error kinds of the servers' catalogue.
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


class Error(BaseModel):
    """What went wrong: a word for programs, a sentence for people."""

    error: str
    message: str
    say: str | SkipJsonSchema[None] = None


class ApiError(Exception):
    """A request that is refused."""

    def __init__(
        self,
        status: int,
        error: str,
        message: str,
        *,
        say: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = Error(error=error, message=message, say=say)
        self.headers = headers

    def response(self) -> Response:
        """Return what the client sees."""
        body = self.body.model_dump(exclude_none=True)
        return JSONResponse(body, self.status, headers=self.headers)


def unauthorized() -> ApiError:
    """Return the refusal of a request without a credential that is valid now."""
    message = "A valid API key or conversation token is needed."
    return ApiError(401, "unauthorized", message, headers={"WWW-Authenticate": "Bearer"})


def forbidden(message: str) -> ApiError:
    """Return the refusal of something that this credential may not do."""
    return ApiError(403, "forbidden", message)


def not_found(what: str) -> ApiError:
    """Return the one answer for what does not exist and for what is somebody else's."""
    return ApiError(404, "not_found", f"There is no such {what}.")


def invalid(message: str) -> ApiError:
    """Return the refusal of a request whose fields do not fit."""
    return ApiError(422, "invalid", message)


def failed(outcome: Outcome) -> ApiError:
    """Return the refusal that a tool's failure amounts to."""
    kind = outcome.error or "fault"
    if kind not in STATUSES:  # a third party's server may have kinds of its own
        kind = "fault"
    return ApiError(STATUSES[kind], kind, outcome.text, say=outcome.say)


def _refuse(_: Request, error: Exception) -> Response:
    match error:
        case ApiError():
            return error.response()
        case HTTPException():
            kind = HTTPStatus(error.status_code).name.lower()
            refusal = ApiError(error.status_code, kind, _sentence(error), headers=error.headers)
            return refusal.response()
        case _ if isinstance(error, UNREACHABLE):
            return ApiError(503, "unavailable", "The database is not answering.").response()
        case ClientDisconnect():
            return ApiError(400, "bad_request", "The request was not completed.").response()
        case _:
            return ApiError(500, "fault", "Something went wrong on our side.").response()


def _sentence(error: HTTPException) -> str:
    match error.status_code:
        case 404:
            return "There is nothing at this address."
        case 405:
            return "This address does not take that method."
        case _:
            return f"{HTTPStatus(error.status_code).phrase}."


HANDLERS: Mapping[type[Exception], ExceptionHandler] = dict.fromkeys(
    (
        ApiError,
        HTTPException,
        *UNREACHABLE,
        ClientDisconnect,
        Exception,
    ),
    _refuse,
)
