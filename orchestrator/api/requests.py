"""Reads request bodies within bounds, and words what does not fit.

A refusal names fields, never their values: a body may hold what should not be logged or shown.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from pydantic import BaseModel
from pydantic_core import from_json
from starlette.requests import Request

from config.body_limits import BodyTooLargeError, is_within_limits, read_body, values_message
from orchestrator.api.errors import ApiError, invalid

# Bytes: of an operation that names no other size; of one that takes a text of 20,000 characters,
# which are up to 12 bytes each where they are escaped, or as much in many values.
MAX_BODY_SIZE = 16 * 1024
LARGE_BODY_SIZE = 256 * 1024
_MAX_VALUES = 1000
_MAX_PARAMETERS = 20
_MAX_COMPLAINTS = 5
# FastAPI validates a parsed body as Python values, and pydantic words these errors so, too.
_JSON_WORDS: Mapping[str, str] = {
    "dict_type": "Input should be an object",
    "frozen_set_type": "Input should be a valid array",
    "list_type": "Input should be a valid array",
    "mapping_type": "Input should be an object",
    "model_attributes_type": "Input should be an object",
    "none_required": "Input should be null",
    "set_type": "Input should be a valid array",
    "tuple_type": "Input should be a valid array",
}
_UNKNOWN_FIELD = "There is a field that is not known here."


class JsonRequest(Request):
    """A request whose body is JSON of at most `max_size` bytes, or empty."""

    def __init__(self, request: Request, max_size: int) -> None:
        super().__init__(request.scope, request.receive)
        self._max_size = max_size
        self._received: bytes | None = None

    async def body(self) -> bytes:
        """Return the body.

        Raises:
            ApiError: it is too large, or is not declared as JSON.
        """
        if self._received is None:
            self._received = await read_bytes(self, self._max_size)
            media_type = self.headers.get("content-type", "").partition(";")[0].strip().lower()
            if self._received and media_type != "application/json":
                message = "The body must be application/json."
                raise ApiError(415, "unsupported_media_type", message)
            if self.headers.get("content-encoding", "identity").lower() != "identity":
                message = "The body must not be compressed."
                raise ApiError(415, "unsupported_media_type", message)
        return self._received

    async def json(self) -> Any:
        """Return the parsed body.

        Raises:
            ApiError: the body is not JSON, or has more values or levels than any operation takes.
        """
        body = await self.body()
        if not is_within_limits(body, _MAX_VALUES):
            raise ApiError(400, "malformed", values_message(_MAX_VALUES))
        try:
            return from_json(body)
        except ValueError:
            raise ApiError(400, "malformed", "The body is not JSON.") from None

    async def check_no_fields(self) -> None:
        """Check the body of an operation that takes none: empty, or an object without fields.

        Raises:
            ApiError: it is anything else.
        """
        content: object = await self.json() if await self.body() else {}
        if content != {}:
            message = "The body does not fit: Input should be an object."
            raise invalid(_UNKNOWN_FIELD if isinstance(content, dict) else message)

    def check_no_parameters(self) -> None:
        """Check the query string of an operation that takes no parameters.

        Raises:
            ApiError: it has parameters.
        """
        if self.query_params:
            raise invalid(_UNKNOWN_FIELD)

    def check_number_of_parameters(self) -> None:
        """Check the query string before it is parsed.

        Raises:
            ApiError: it has more parameters than any operation takes.
        """
        if self.scope["query_string"].count(b"&") >= _MAX_PARAMETERS:
            raise invalid(f"There are more than {_MAX_PARAMETERS} parameters.")


async def read_bytes(request: Request, limit: int) -> bytes:
    """Return the body as it came.

    Raises:
        ApiError: it is larger than `limit` bytes.
    """
    try:
        return await read_body(request, limit)
    except BodyTooLargeError:
        message = f"The body must not be larger than {limit} bytes."
        raise ApiError(413, "content_too_large", message) from None


def validation_error(
    errors: Sequence[Mapping[str, Any]], body_model: type[BaseModel] | None
) -> ApiError:
    """Return the refusal for what FastAPI found wrong with a request's parameters or body."""
    complaints = (complaint for error in errors for complaint in _complaints(error, body_model))
    return invalid(" ".join(dict.fromkeys(islice(complaints, _MAX_COMPLAINTS))))


def _complaints(error: Mapping[str, Any], body_model: type[BaseModel] | None) -> Iterator[str]:
    # The first part says where the input stood; parts after the field may be the client's own keys.
    source, *location = error["loc"]
    kind = str(error["type"])
    field = str(location[0]) if location else ""
    if kind == "missing" and not field and body_model is not None:  # there was no body at all
        fields = body_model.model_fields.items()
        yield from (f"{name} is missing." for name, info in fields if info.is_required())
    elif kind == "missing" and len(location) == 1:
        yield f"{field} is missing."
    elif kind == "extra_forbidden" and len(location) == 1:
        yield _UNKNOWN_FIELD
    elif kind.endswith("_parsing"):  # its message shows a part of the value
        yield f"{field} does not fit."
    else:
        message = str(error["msg"]).removeprefix("Value error, ")
        if source == "body":
            message = _JSON_WORDS.get(kind, message)
        yield f"{field or 'The body'} does not fit: {message}."
