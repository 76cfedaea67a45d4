"""What Salesforce answers, and what its refusals mean."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from toolkit.errors import (
    Conflict,
    Forbidden,
    NotFound,
    RateLimited,
    Rejected,
    ToolFailure,
    Unavailable,
)


class _Attributes(BaseModel):
    type: str = ""


class Row(BaseModel):
    """One record as Salesforce returns it: what was asked for is in `model_extra`."""

    model_config = ConfigDict(extra="allow")

    Id: str
    attributes: _Attributes = _Attributes()


class Rows(BaseModel):
    """The answer to a query."""

    records: list[Row]


class RawRows(BaseModel):
    """The answer to a query that counts, or joins."""

    totalSize: int = 0
    records: list[dict[str, Any]]


class Hits(BaseModel):
    """The answer to a search."""

    searchRecords: list[Row]


class Saved(BaseModel):
    """The answer to a create; to an upsert that changed something it may be empty."""

    id: str
    success: Literal[True]


class Part(BaseModel):
    """One of several answers."""

    httpStatusCode: int
    body: Any = None


class Parts(BaseModel):
    """The answers to several requests that were sent as one."""

    compositeResponse: list[Part]


class _Error(BaseModel):
    errorCode: str = ""


_ERRORS = TypeAdapter(list[_Error])
_NO_SUCH_RECORD = partial(NotFound, "Salesforce has no such record.")
# Salesforce says with the same status what a caller can do something about, and what not.
_CODES: Mapping[str, Callable[[], ToolFailure]] = {
    "REQUEST_LIMIT_EXCEEDED": partial(
        RateLimited, "Salesforce takes no more requests of this business now."
    ),
    "DUPLICATES_DETECTED": partial(
        Conflict,
        "Salesforce has a record like that, and the business wants no second one.",
        say="We seem to have that already. Let me look.",
        next="Find the record with search, and change that one if anything is new.",
    ),
    "DUPLICATE_VALUE": partial(Conflict, "Salesforce has a record with such a value."),
    "UNABLE_TO_LOCK_ROW": partial(Conflict, "Somebody is changing that record at this moment."),
    "MALFORMED_ID": _NO_SUCH_RECORD,
    "ENTITY_IS_DELETED": _NO_SUCH_RECORD,
}


def refused(part: Part) -> ToolFailure:
    """Return what it means that one of several requests was refused."""
    if (failure := told(part.body)) is not None:
        return failure
    if part.httpStatusCode >= 500:
        return Unavailable("Salesforce is having trouble.")
    if part.httpStatusCode == 403:
        return Forbidden("Salesforce does not let this account do that.")
    return Rejected("Salesforce rejected the request.")


def told(body: object) -> ToolFailure | None:
    """Return what an error means by its code, where that is more than its status says."""
    try:
        errors = _ERRORS.validate_python(body)
    except ValidationError:
        return None
    known = (_CODES[error.errorCode] for error in errors if error.errorCode in _CODES)
    return next((failure() for failure in known), None)
