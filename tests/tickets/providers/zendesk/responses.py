"""How Zendesk answers, as tests play it."""

from typing import Any

import httpx2

Record = dict[str, Any]


def answer_with(body: Record, status: int = 200) -> httpx2.Response:
    """Answer so."""
    return httpx2.Response(status, json=body)


def missing() -> httpx2.Response:
    """Say that there is no such record."""
    return answer_with({"error": "RecordNotFound", "description": "Not found"}, 404)


def invalid() -> httpx2.Response:
    """Say that a record may not be so."""
    return answer_with({"error": "RecordInvalid", "description": "Record validation errors"}, 422)


def refused(place: int) -> Record:
    """Say that one of many was not opened."""
    return {"index": place, "error": "TicketCreateError", "details": "Requester: is invalid"}


def updated(number: int, events: list[Record] | None) -> Record:
    """Say what became of one of many; without events there was none."""
    if events is None:
        return {"id": number, "action": "update", "success": False, "status": "Failed"}
    return {"id": number, "action": "update", "success": True, "status": "Updated"}


def cursor(kind: str, found: list[Record], query: dict[str, str]) -> httpx2.Response:
    """Return a page that says where the next one begins."""
    size, begin = int(query["page[size]"]), int(query.get("page[after]", 0))
    assert 1 <= size <= 100
    more = len(found) > begin + size
    # Wherever Zendesk says that the rest is, the account's own address is asked.
    there = f"https://elsewhere.example/api/v2/{kind}.json?page[after]={begin + size}"
    return answer_with(
        {
            kind: found[begin : begin + size],
            "meta": {"has_more": more, "after_cursor": str(begin + size) if more else None},
            "links": {"next": f"{there}&page[size]={size}" if more else None},
        }
    )


def offset(kind: str, found: list[Record], query: dict[str, str]) -> httpx2.Response:
    """Return a numbered page."""
    size = int(query.get("per_page", 100))
    assert 1 <= size <= 100
    return answer_with({kind: found[:size], "count": len(found), "next_page": None})
