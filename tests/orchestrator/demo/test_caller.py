"""A caller waits in the queue while all agents are busy."""

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from orchestrator.demo.caller import Caller, CallError
from tests.support.asgi import serve_app


async def test_a_caller_keeps_the_place_in_the_queue_until_there_is_an_answer() -> None:
    bodies: list[dict[str, Any]] = []

    async def start(request: Request) -> JSONResponse:
        bodies.append(await request.json())
        place = 3 - len(bodies)
        if not place:
            return JSONResponse({"error": "busy", "message": "All agents are busy."}, 503)
        queued = {"status": "queued", "place": place, "retry_after": 0, "ticket": "t1"}
        return JSONResponse(queued, 202)

    events: list[dict[str, Any]] = []
    routes = [Route("/api/sessions/start", start, methods=["POST"])]
    async with serve_app(Starlette(routes=routes)) as url:
        with pytest.raises(CallError, match="All agents are busy"):
            await Caller(events.append).call(url, "ferry", "harbour")
    call_of = {"business": "ferry", "bot": "harbour"}
    assert bodies == [call_of, call_of | {"ticket": "t1"}, call_of | {"ticket": "t1"}]
    assert [(event["type"], event["place"]) for event in events] == [("queued", 2), ("queued", 1)]
