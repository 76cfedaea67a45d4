"""Reads what Freshdesk refuses, and why, from the codes in its responses.

https://developers.freshdesk.com/api/#error: `code` is that of the request, and `errors` has those
of fields. What stands beside them is for people.
"""

from collections.abc import Iterator, Sequence
from typing import Any, cast

import httpx2

from tickets.sentences import say
from toolkit.errors import Conflict, Disconnected, Forbidden, Rejected, ToolFailure
from toolkit.http.refusals import read_object

# The first kind that has one of a response's codes is what the response means.
_FAILURES: Sequence[tuple[type[ToolFailure], frozenset[str], str]] = (
    (
        Disconnected,
        frozenset({"invalid_credentials", "password_lockout", "password_expired"}),
        "Freshdesk refused our credentials; the account must be reconnected.",
    ),
    (
        Conflict,
        frozenset({"duplicate_value", "inconsistent_state"}),
        "Freshdesk reports a conflict with what is stored there.",
    ),
    (
        Forbidden,
        frozenset(
            {
                *("access_denied", "inaccessible_field", "require_feature", "account_suspended"),
                "ssl_required",
            }
        ),
        "Freshdesk does not let this account do that.",
    ),
    (
        Rejected,
        frozenset(
            {
                *("missing_field", "invalid_value", "datatype_mismatch", "invalid_field"),
                *("invalid_json", "invalid_size", "readonly_field", "incompatible_field"),
                *("no_content_required", "max_agents_reached"),
            }
        ),
        "Freshdesk does not take these values.",
    ),
)


def read_refusal(response: httpx2.Response) -> ToolFailure | None:
    """Return the failure that documented codes stand for; None if there is no such code."""
    found = [*_codes(read_object(response))]
    codes = {code for _, code in found}
    for failure, known, happened in _FAILURES:
        if not known.isdisjoint(codes):
            taken = failure is Conflict and ("email", "duplicate_value") in found
            return failure(happened, say=say("email_taken") if taken else None)
    return None


def _codes(body: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each code with the field that it is about; "" for the request's own."""
    errors = body.get("errors")
    for error in [body, *(cast("list[object]", errors) if isinstance(errors, list) else ())]:
        if isinstance(error, dict):
            named = cast("dict[str, object]", error)
            yield str(named.get("field") or ""), str(named.get("code") or "")
