"""Reads what Zendesk refuses, and why, from the codes in its responses.

https://developer.zendesk.com/documentation/api-basics/working-with-error-responses/: `error` is
the code, and `details` has the codes of each field. What stands beside them is for people.
"""

from collections.abc import Iterator, Mapping
from typing import cast

import httpx2

from tickets.sentences import say
from toolkit.errors import Conflict, Forbidden, NotFound, Rejected, ToolFailure
from toolkit.http.refusals import read_object

_FAILURES: Mapping[str, tuple[type[ToolFailure], str]] = {
    "RecordNotFound": (NotFound, "Zendesk has no such record."),
    "RecordInvalid": (Rejected, "Zendesk does not take a record with these values."),
    "InvalidValue": (Rejected, "Zendesk does not take these values."),
    "TooManyValues": (Rejected, "Those are more records than Zendesk takes at once."),
    "UpdateConflict": (Conflict, "The record has been changed at Zendesk since it was read."),
    "Forbidden": (Forbidden, "Zendesk does not let this account do that."),
}
_TAKEN = "DuplicateValue"


def read_refusal(response: httpx2.Response) -> ToolFailure | None:
    """Return the failure that a documented code stands for; None if there is no such code."""
    body = read_object(response)
    taken = {field for field, code in _field_codes(body.get("details")) if code == _TAKEN}
    if taken:
        return Conflict(
            "Zendesk has another record with that value.",
            say=say("email_taken") if "email" in taken else None,
        )
    code = body.get("error")
    if not isinstance(code, str) or code not in _FAILURES:
        return None
    failure, happened = _FAILURES[code]
    return failure(happened)


def _field_codes(details: object) -> Iterator[tuple[str, object]]:
    """Yield each field with each of its codes."""
    if not isinstance(details, dict):
        return
    for field, errors in cast("dict[str, object]", details).items():
        for error in cast("list[object]", errors) if isinstance(errors, list) else ():
            if isinstance(error, dict):
                yield field, cast("dict[str, object]", error).get("error")
