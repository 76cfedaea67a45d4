"""Reads what ServiceNow refuses, and why, from the texts in its responses.

It has no codes: `error.message` and `error.detail` are the platform's own constant texts, and a 403
stands for a missing right as well as for a rule that does not take the values.
"""

import re
from collections.abc import Sequence
from typing import cast

import httpx2

from toolkit.errors import Conflict, Forbidden, NotFound, Rejected, ToolFailure
from toolkit.http.refusals import read_object

# The first that is in the texts is what the response means.
_FAILURES: Sequence[tuple[re.Pattern[str], type[ToolFailure], str]] = (
    (re.compile("No Record found"), NotFound, "ServiceNow has no such record."),
    (
        re.compile("ACL Exception|due to security constraints|Failed API level ACL Validation"),
        Forbidden,
        "ServiceNow does not let this account do that.",
    ),
    (
        re.compile("Unique Key violation detected by database"),
        Conflict,
        "ServiceNow has another record with that value.",
    ),
    (
        re.compile("aborted by Business Rule|Data Policy Exception", re.IGNORECASE),
        Rejected,
        "A rule of this ServiceNow does not allow that.",
    ),
)


def read_refusal(response: httpx2.Response) -> ToolFailure | None:
    """Return the failure that a text of the platform's stands for; None if there is none."""
    error: object = read_object(response).get("error")
    named = cast("dict[str, object]", error) if isinstance(error, dict) else {}
    texts = f"{named.get('message')}\n{named.get('detail')}"
    for pattern, failure, happened in _FAILURES:
        if pattern.search(texts):
            return failure(happened)
    return None
