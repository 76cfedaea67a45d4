"""Reads what a request says, within bounds; a refusal names fields, never their values."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from orchestrator.api.errors import ApiError, invalid

B = TypeVar("B", bound=BaseModel)
LARGEST_BODY = 2 * 1024 * 1024
_MOST_COMPLAINTS = 5


async def read_body(request: Request, model: type[B]) -> B:
    """Return the JSON body; none at all is read as an empty object.

    Raises:
        ApiError: it is too large, not JSON, or does not fit.
    """
    body = await read_bytes(request)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if body and media_type != "application/json":
        raise ApiError(415, "unsupported_media_type", "The body must be application/json.")
    try:
        return model.model_validate_json(body or b"{}")
    except ValidationError as error:
        raise _refusal(model, error) from None


def read_query(request: Request, model: type[B]) -> B:
    """Return the parameters of the address.

    Raises:
        ApiError: they do not fit.
    """
    try:
        return model.model_validate(dict(request.query_params))
    except ValidationError as error:
        raise _refusal(model, error) from None


async def read_bytes(request: Request, largest: int = LARGEST_BODY) -> bytes:
    """Return the body as it came.

    Raises:
        ApiError: it is larger than `largest` bytes.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > largest:
        raise _too_large(largest)
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > largest:
            raise _too_large(largest)
    return bytes(body)


def _too_large(largest: int) -> ApiError:
    message = f"The body must not be larger than {largest} bytes."
    return ApiError(413, "content_too_large", message)


def _refusal(model: type[BaseModel], error: ValidationError) -> ApiError:
    details = error.errors(include_url=False, include_context=False, include_input=False)
    if details[0]["type"] == "json_invalid":
        return ApiError(400, "malformed", "The body is not JSON.")
    complaints = [_complaint(model, detail) for detail in details[:_MOST_COMPLAINTS]]
    return invalid(" ".join(dict.fromkeys(complaints)))


def _complaint(model: type[BaseModel], detail: Mapping[str, Any]) -> str:
    # Deeper parts of the place may be keys that the client made up.
    field = str(detail["loc"][0]) if detail["loc"] else ""
    if field and field not in model.model_fields:
        return "There is a field that is not known here."
    match str(detail["type"]):
        case "missing":
            return f"{field} is missing."
        case kind if kind.endswith("_parsing"):  # its message shows a part of the value
            return f"{field} does not fit."
        case _:
            message = str(detail["msg"]).removeprefix("Value error, ")
            return f"{field or 'The body'} does not fit: {message}."
