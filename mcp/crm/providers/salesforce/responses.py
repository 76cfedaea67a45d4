"""Salesforce's responses, and what its error codes mean."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

import httpx2
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from crm.sentences import say
from toolkit.errors import (
    Conflict,
    Forbidden,
    NotFound,
    RateLimited,
    Rejected,
    ToolFailure,
    Unavailable,
)
from toolkit.http.records import Records


class _Attributes(BaseModel):
    type: str = ""


class SobjectRecord(BaseModel):
    """One record as Salesforce returns it: the selected fields are in `model_extra`."""

    model_config = ConfigDict(extra="allow")

    Id: str
    attributes: _Attributes = _Attributes()


class QueryResponse(BaseModel):
    """The response to a query that has a LIMIT: `totalSize` is how many records it has."""

    totalSize: int = 0
    records: Records[SobjectRecord]


class RawQueryResponse(BaseModel):
    """The response to any query, such as one that counts or has no ids."""

    totalSize: int = 0
    records: Records[dict[str, Any]]


class SearchResponse(BaseModel):
    """The response to a search."""

    searchRecords: Records[SobjectRecord]


class SaveResponse(BaseModel):
    """The response to a create. That to an upsert which updated a record may be empty."""

    id: str
    success: Literal[True]


class CompositeSubresponse(BaseModel):
    """The response to one of the requests of a composite."""

    httpStatusCode: int
    body: Any = None


class CompositeResponse(BaseModel):
    """The responses to several requests that were sent as one composite."""

    compositeResponse: list[CompositeSubresponse]


class _Error(BaseModel):
    errorCode: str = ""


_ERRORS: TypeAdapter[list[_Error]] = TypeAdapter(Records[_Error])
_RECORD_NOT_FOUND = partial(NotFound, "Salesforce has no such record.")


def _duplicate() -> Conflict:
    return Conflict(
        "Salesforce has a record like that, and the business wants no second one.",
        say=say("duplicate"),
        next="Find the record with search, and change that one if anything is new.",
    )


def converted_lead() -> NotFound:
    """Return the failure for a lead that has become a contact, and can no longer be changed."""
    return NotFound(
        "That lead has been converted into a contact.",
        say=say("converted"),
        next="Find the contact with search, and go on with that one.",
    )


_NO_ACCESS = partial(Forbidden, "Salesforce does not let this account do that.")
# The status alone does not distinguish errors that a caller can react to from others: a used-up
# quota has the status of a missing permission, and a lock and a duplicate that of a bad request.
_FAILURES_BY_CODE: Mapping[str, Callable[[], ToolFailure]] = {
    "REQUEST_LIMIT_EXCEEDED": partial(
        RateLimited, "Salesforce takes no more requests of this business now."
    ),
    "DUPLICATES_DETECTED": _duplicate,
    "DUPLICATE_VALUE": partial(Conflict, "Salesforce has a record with such a value."),
    # Both are over in a moment, and nothing has been done.
    "UNABLE_TO_LOCK_ROW": partial(Unavailable, "Somebody is changing that record at this moment."),
    "QUERY_TIMEOUT": partial(Unavailable, "Salesforce has not found that in time."),
    "SERVER_UNAVAILABLE": partial(Unavailable, "Salesforce is too busy at this moment."),
    "MALFORMED_ID": _RECORD_NOT_FOUND,
    "ENTITY_IS_DELETED": _RECORD_NOT_FOUND,
    "INVALID_CROSS_REFERENCE_KEY": _RECORD_NOT_FOUND,
    "CANNOT_UPDATE_CONVERTED_LEAD": converted_lead,
    "INSUFFICIENT_ACCESS_OR_READONLY": _NO_ACCESS,
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": _NO_ACCESS,
}


def subresponse_failure(response: CompositeSubresponse) -> ToolFailure:
    """Return the failure that a refused request of a composite stands for."""
    if (failure := failure_from_body(response.body)) is not None:
        return failure
    if response.httpStatusCode >= 500:
        return Unavailable("Salesforce is having trouble.")
    if response.httpStatusCode == 403:
        return Forbidden("Salesforce does not let this account do that.")
    return Rejected("Salesforce rejected the request.")


def read_refusal(response: httpx2.Response) -> ToolFailure | None:
    """Return the failure that a response stands for; None if its status says as much."""
    try:
        return failure_from_body(json.loads(response.content))
    except (ValueError, RecursionError):
        return None


def failure_from_body(body: object) -> ToolFailure | None:
    """Return the failure that an error code stands for; None if the status says as much."""
    try:
        errors = _ERRORS.validate_python(body)
    except ValidationError:
        return None
    codes = (error.errorCode for error in errors if error.errorCode in _FAILURES_BY_CODE)
    return next((_FAILURES_BY_CODE[code]() for code in codes), None)
