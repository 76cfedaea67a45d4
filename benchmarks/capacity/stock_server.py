"""A bare fastmcp server with the tools of the benchmark's bot.

Run: `python -m benchmarks.capacity.stock_server PORT`
"""

import sys
from typing import Any

import uvloop
from fastmcp import FastMCP

from orchestrator.runtime.connections import ConnectionLimits
from orchestrator.runtime.serving import serve_app

server: FastMCP[Any] = FastMCP("stock")


@server.tool
async def get_available_slots(service: str, when: str) -> dict[str, Any]:
    """Find free times. when: the day or time in the caller's own words."""
    del service, when
    offered = [{"slot": f"thu-{hour}:00", "spoken": f"Thursday at {hour}"} for hour in (14, 15, 16)]
    return {"say": "There is Thursday at two, at three or at four.", "offered": offered}


@server.tool
async def create_booking(slot: str, name: str, phone: str = "") -> dict[str, Any]:
    """Book a time."""
    return {"slot": slot, "name": name, "phone": phone}


@server.tool
async def create_ticket(title: str, text: str) -> dict[str, Any]:
    """Open a ticket."""
    return {"title": title, "text": text}


@server.tool
async def create_lead(name: str, phone: str = "") -> dict[str, Any]:
    """Note a lead."""
    return {"name": name, "phone": phone}


if __name__ == "__main__":
    app = server.http_app(path="/mcp", stateless_http=True)
    uvloop.run(serve_app(app, "127.0.0.1", int(sys.argv[1]), ConnectionLimits()))
