"""Use a business's tools from any MCP client: list what a key sees, and look for a free time.

    ANTIPHON_KEY=ak_… python examples/outside_client.py "suit fitting" "Monday morning"

ANTIPHON_URL names the API (http://127.0.0.1:8080). Claude, Cursor and VS Code are connected by
`antiphon connect`.
"""

import asyncio
import os
import sys

from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport

URL = os.environ.get("ANTIPHON_URL", "http://127.0.0.1:8080")
BOT = os.environ.get("ANTIPHON_BOT", "desk")
KEY = os.environ.get("ANTIPHON_KEY") or sys.exit("ANTIPHON_KEY is not set: sh apply_a_bot.sh")


async def main() -> None:
    """Print the tools, and what one of them answers."""
    service, when = [*sys.argv[1:], "suit fitting", "Monday morning"][:2]
    async with Client(StreamableHttpTransport(f"{URL}/mcp?bot={BOT}", auth=KEY)) as client:
        for tool in await client.list_tools():
            print(f"{tool.name}: {tool.description}")
        wish = {"service": service, "when": when}
        answer = await client.call_tool("scheduling_get_available_slots", wish)
        print((answer.structured_content or {}).get("say"))


if __name__ == "__main__":
    asyncio.run(main())
