"""What the errors in HubSpot's responses mean.

https://developers.hubspot.com/docs/api-reference/error-handling
"""

import json
from collections.abc import Callable, Mapping
from functools import partial

import httpx2
from pydantic import BaseModel, Field, ValidationError

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

NO_SUCH_RECORD = "HubSpot has no such record."


class _ErrorDetail(BaseModel):
    code: str = ""


class _Error(BaseModel):
    """Every field of it is optional, says HubSpot."""

    category: str = ""
    errors: Records[_ErrorDetail] = Field(default_factory=list[_ErrorDetail])


def _duplicate() -> Conflict:
    return Conflict(
        "HubSpot has a record with that address or value already.",
        say=say("duplicate"),
        next="Find the record with search, and change that one if anything is new.",
    )


# Both are temporary: a lock is held for two seconds, a migration takes up to a day.
_BY_STATUS: Mapping[int, Callable[[], ToolFailure]] = {
    423: partial(Unavailable, "HubSpot has locked that for a moment, and has done nothing."),
    477: partial(Unavailable, "HubSpot is moving this account to another place."),
}
_BY_CODE: Mapping[str, Callable[[], ToolFailure]] = {
    "CONFLICTING_UNIQUE_VALUE": _duplicate,
    "PROPERTY_DOESNT_EXIST": partial(
        Rejected,
        "HubSpot has no such property.",
        next="Call again without the business's own field that HubSpot does not have.",
    ),
}
_BY_CATEGORY: Mapping[str, Callable[[], ToolFailure]] = {
    "CONFLICT": _duplicate,
    "MISSING_SCOPES": partial(Forbidden, "HubSpot does not let this account do that."),
    "OBJECT_NOT_FOUND": partial(NotFound, NO_SUCH_RECORD),
    "RATE_LIMITS": partial(RateLimited, "HubSpot takes no more requests of this business now."),
    "VALIDATION_ERROR": partial(Rejected, "HubSpot rejected a value or a property."),
}


def read_refusal(response: httpx2.Response) -> ToolFailure | None:
    """Return the failure that a response stands for; None if its status says as much."""
    if response.status_code == 401:  # a token may be renewed
        return None
    if response.status_code in _BY_STATUS:
        return _BY_STATUS[response.status_code]()
    try:
        error = _Error.model_validate(json.loads(response.content))
    except (ValidationError, ValueError, RecursionError):
        return None
    codes = (each.code for each in error.errors if each.code in _BY_CODE)
    meaning = next((_BY_CODE[code] for code in codes), _BY_CATEGORY.get(error.category))
    return meaning() if meaning else None
