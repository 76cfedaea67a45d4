"""Zoho CRM's responses, and what its error codes mean."""

from collections.abc import Mapping
from typing import Annotated, Any

import httpx2
from pydantic import AfterValidator, BaseModel, Field

from toolkit.errors import Conflict, Forbidden, NotFound, RateLimited, Rejected, ToolFailure
from toolkit.http.records import Records

_CONVERTED = (NotFound, "This lead has been converted.", "Find the contact with search instead.")
_GONE = (NotFound, "Zoho CRM has no such record.", None)
# What a code means, whatever the status: Zoho sends them with 200, 202, 207, 400, 401 and 403.
_FAILURES_BY_CODE: Mapping[str, tuple[type[ToolFailure], str, str | None]] = {
    "DUPLICATE_DATA": (
        Conflict,
        "Zoho CRM has such a record already.",
        "Find it with search, and change that one if the caller agrees.",
    ),
    "NO_PERMISSION": (Forbidden, "Zoho CRM does not let this account do that.", None),
    "OAUTH_SCOPE_MISMATCH": (Forbidden, "The Zoho CRM account lacks a scope for that.", None),
    "FEATURE_NOT_SUPPORTED": (Forbidden, "The edition of this Zoho CRM does not have that.", None),
    "TOO_MANY_REQUESTS": (RateLimited, "Zoho CRM is limiting our requests.", None),
    "RECORD_LOCKED": (Rejected, "The record is locked in Zoho CRM.", None),
    "RECORD_IN_BLUEPRINT": (Rejected, "A process in Zoho CRM decides on that field.", None),
    "NOT_APPROVED": (Rejected, "The record waits for its approval in Zoho CRM.", None),
    "CONVERTED_RECORD": _CONVERTED,
    "ID_ALREADY_CONVERTED": _CONVERTED,
    "NOT_FOUND": _GONE,
    "NO_RECORDS_FOUND": _GONE,
    "NO_CONTENT": _GONE,
}


def _with_id(row: dict[str, Any]) -> dict[str, Any]:
    if row.get("id") in (None, ""):
        raise ValueError("It has no id.")
    return row


_Row = Annotated[dict[str, Any], AfterValidator(_with_id)]


class _Info(BaseModel):
    more_records: bool = False


class RowsResponse(BaseModel):
    """A page of records. The body is empty, with a 204, where there are none."""

    data: Records[_Row] = Field(default_factory=list[_Row])
    info: _Info = _Info()


class RowResponse(BaseModel):
    """The record with an id, as a list. The body is empty, with a 204, where there is none."""

    data: list[_Row] = Field(default_factory=list[_Row])


class _Details(BaseModel):
    id: str | None = None
    api_name: str | None = None


class SaveResult(BaseModel):
    """What became of one record."""

    status: str = ""
    code: str = ""
    details: _Details | None = None

    @property
    def failure(self) -> ToolFailure | None:
        """Return what the code means; None if it means no more than that it was refused."""
        if self.code == "INVALID_DATA" and self.details and self.details.api_name == "id":
            return NotFound("Zoho CRM has no such record.")
        if self.code not in _FAILURES_BY_CODE:
            return None
        failure, message, advice = _FAILURES_BY_CODE[self.code]
        return failure(message, next=advice)


class SaveResponse(SaveResult):
    """The result for each record; without a list, that of the whole request."""

    data: list[SaveResult] = Field(default_factory=list[SaveResult])

    @property
    def result(self) -> SaveResult:
        """Return the result for the only record."""
        return self.data[0] if self.data else self


def read_refusal(response: httpx2.Response) -> ToolFailure | None:
    """Return what the code of a response that is no success means; None if its status says it."""
    try:
        result = SaveResponse.model_validate_json(response.content).result
    except ValueError:
        return None
    return result.failure if result.status == "error" else None
