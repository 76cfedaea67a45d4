"""Reads what Jira refuses from its responses: which fields, or which issues of many.

The messages are in the language of the account, so that only the status and the keys count.
https://developer.atlassian.com/cloud/jira/platform/rest/v3/intro/#status-codes
"""

from collections.abc import Mapping
from typing import cast

import httpx2
from pydantic import BaseModel, ValidationError

from tickets.providers.jira.responses import BulkError
from toolkit.errors import Rejected, ToolFailure
from toolkit.http.refusals import read_object

_REFUSED = (400, 413, 422)


class FieldsRefused(Rejected):
    """Jira has refused the values of these fields, by their ids."""

    def __init__(self, fields: frozenset[str]) -> None:
        super().__init__("Jira rejected the request.")
        self.fields = fields


class IssuesRefused(Rejected):
    """Jira has created none of the issues of a bulk request, each for a reason of its own."""

    def __init__(self, places: tuple[int, ...]) -> None:
        super().__init__("Jira rejected the request.")
        self.places = places


class _BulkErrors(BaseModel):
    errors: list[BulkError]


def read_refusal(response: httpx2.Response) -> ToolFailure | None:
    """Return the failure of fields or issues that were refused; None if the body names none."""
    if response.status_code not in _REFUSED:
        return None
    body = read_object(response)
    errors = body.get("errors")
    if isinstance(errors, Mapping) and errors:
        return FieldsRefused(frozenset(cast("Mapping[str, object]", errors)))
    if not isinstance(errors, list) or not errors:
        return None
    try:
        refused = _BulkErrors.model_validate(body).errors
    except ValidationError:
        return None
    return IssuesRefused(tuple(each.failedElementNumber for each in refused))
