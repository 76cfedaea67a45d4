"""The booking that was made in a demonstration call, as the scheduling server has it."""

from collections.abc import Mapping
from typing import Any

from config.settings import Settings
from orchestrator.admin.bot_tools import call_tool
from orchestrator.demo.report import Report, ToolCall

_SERVER = "scheduling"


async def find_booking(settings: Settings, report: Report) -> dict[str, Any] | None:
    """Return the last booking of the call, or None."""
    made = [
        call
        for call in report.tool_calls
        if (call.server, call.tool, call.outcome) == (_SERVER, "create_booking", "ok")
    ]
    if not made:
        return None
    result = made[-1].result
    booking = str(result["id"]) if result else await _search(settings, report, made[-1])
    return await _ask(settings, report, "get_booking", {"booking": booking}) if booking else None


async def _search(settings: Settings, report: Report, made: ToolCall) -> str | None:
    """Return the id of the booking that the sentence of a logged tool call tells of."""
    said = made.said or ""
    person = {name: value for name, value in made.arguments.items() if name in ("name", "phone")}
    found = await _ask(settings, report, "list_bookings", person | {"when": said})
    bookings: list[dict[str, Any]] = (found or {}).get("bookings", [])
    return next((booking["id"] for booking in bookings if booking["label"] in said), None)


async def _ask(
    settings: Settings, report: Report, tool: str, arguments: Mapping[str, Any]
) -> dict[str, Any] | None:
    outcome = await call_tool(settings, report.business, report.bot, _SERVER, tool, dict(arguments))
    return None if outcome.error else dict(outcome.data)
