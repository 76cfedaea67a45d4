"""The records that a demonstration call has left, as the servers have them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from config.settings import Settings
from orchestrator.admin.bot_tools import call_tool
from orchestrator.demo.report import Report, ToolCall

Record = dict[str, Any]


class _Kind(NamedTuple):
    """What makes a record of a kind, and what shows it by which argument."""

    server: str
    create: str
    show: str
    argument: str


_BOOKING = _Kind("scheduling", "create_booking", "get_booking", "booking")
_KINDS = {
    "bookings": _BOOKING,
    "tickets": _Kind("tickets", "create_ticket", "show_ticket", "ticket"),
    "leads": _Kind("crm", "create_lead", "get_lead", "lead"),
}


async def find_records(settings: Settings, report: Report) -> dict[str, list[Record]]:
    """Return the bookings, tickets and leads of the call, in the order in which they were made."""
    found: dict[str, list[Record]] = {name: [] for name in _KINDS}
    for call in report.tool_calls:
        for name, kind in _KINDS.items():
            if (call.server, call.tool, call.outcome) == (kind.server, kind.create, "ok"):
                record = await _load(settings, report, kind, call)
                found[name] += [record] if record else []
    return found


async def _load(settings: Settings, report: Report, kind: _Kind, call: ToolCall) -> Record | None:
    record_id = str(call.result["id"]) if call.result else None
    if record_id is None and kind is _BOOKING:
        record_id = await _search(settings, report, call)
    if record_id is None:
        return None
    arguments: Record = {kind.argument: record_id}
    if kind is not _BOOKING:
        arguments["detail"] = "full"
    record = await _ask(settings, report, kind.server, kind.show, arguments)
    if record is not None and kind.server == "tickets":
        user = record.get("requester")
        asked = {"user": user}
        person = await _ask(settings, report, "tickets", "get_user", asked) if user else None
        record["requester"] = person or {}
    return record


async def _search(settings: Settings, report: Report, made: ToolCall) -> str | None:
    """Return the id of the booking that the sentence of a logged tool call tells of."""
    said = made.said or ""
    person = {name: value for name, value in made.arguments.items() if name in ("name", "phone")}
    arguments = person | {"when": said}
    found = await _ask(settings, report, _BOOKING.server, "list_bookings", arguments)
    bookings: list[Record] = (found or {}).get("bookings", [])
    return next((booking["id"] for booking in bookings if booking["label"] in said), None)


async def _ask(
    settings: Settings, report: Report, server: str, tool: str, arguments: Mapping[str, Any]
) -> Record | None:
    outcome = await call_tool(settings, report.business, report.bot, server, tool, dict(arguments))
    return None if outcome.error else dict(outcome.data)
