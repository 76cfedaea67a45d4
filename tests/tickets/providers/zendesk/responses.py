"""Responses of the fake Zendesk."""

from typing import Any

import httpx2

from tests.support.vendors import BODY_CANARY

Record = dict[str, Any]


def answer_with(body: Record, status: int = 200) -> httpx2.Response:
    """Return a response with a JSON body."""
    return httpx2.Response(status, json=body)


def missing() -> httpx2.Response:
    """Return the response for a record that does not exist."""
    return answer_with({"error": "RecordNotFound", "description": "Not found"}, 404)


def invalid(field: str = "requester", code: str = "InvalidValue") -> httpx2.Response:
    """Return the response for an invalid record: facts/vendors.md, "Zendesk".

    The codes of fields are those of responses that several clients of Zendesk have published.
    """
    details = {field: [{"description": BODY_CANARY, "error": code}]}
    body = {"error": "RecordInvalid", "description": BODY_CANARY, "details": details}
    return answer_with(body, 422)


def refused(place: int) -> Record:
    """Return a job's result for a ticket that could not be created."""
    return {"index": place, "error": "TicketCreateError", "details": "Requester: is invalid"}


def updated(number: int, events: list[Record] | None) -> Record:
    """Return a job's result for a record; without events it does not exist."""
    if events is None:
        return {"id": number, "action": "update", "success": False, "status": "Failed"}
    return {"id": number, "action": "update", "success": True, "status": "Updated"}


def cursor(kind: str, found: list[Record], query: dict[str, str]) -> httpx2.Response:
    """Return a page with a cursor to the next one."""
    size, begin = int(query["page[size]"]), int(query.get("page[after]", 0))
    assert 1 <= size <= 100
    more = len(found) > begin + size
    # Whatever host Zendesk names here, requests go to the account's own address.
    next_page = f"https://elsewhere.example/api/v2/{kind}.json?page[after]={begin + size}"
    return answer_with(
        {
            kind: found[begin : begin + size],
            "meta": {"has_more": more, "after_cursor": str(begin + size) if more else None},
            "links": {"next": f"{next_page}&page[size]={size}" if more else None},
        }
    )


def offset(kind: str, found: list[Record], query: dict[str, str]) -> httpx2.Response:
    """Return the first numbered page."""
    size = int(query.get("per_page", 100))
    assert 1 <= size <= 100
    return answer_with({kind: found[:size], "count": len(found), "next_page": None})
