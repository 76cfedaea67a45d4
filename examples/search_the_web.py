"""Search the web as a bot does, from any MCP client, and read the first page that was found.

    ANTIPHON_KEY=ak_… python examples/search_the_web.py "opening of the boat show" week

The business needs an account at a search engine first:
`antiphon integrations add --business fairweather --server websearch --provider exa`.
ANTIPHON_URL names the API (http://127.0.0.1:8080), ANTIPHON_BOT the bot (desk).
"""

import asyncio
import os
import sys

from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport
from fastmcp.exceptions import ToolError

URL = os.environ.get("ANTIPHON_URL", "http://127.0.0.1:8080")
BOT = os.environ.get("ANTIPHON_BOT", "desk")
KEY = os.environ.get("ANTIPHON_KEY") or sys.exit("ANTIPHON_KEY is not set: sh apply_a_bot.sh")


async def main() -> None:
    """Print what was found, and the beginning of the first page."""
    query, recency = [*sys.argv[1:], "opening of the boat show", None][:2]
    search = {"query": query, "recency": recency} if recency in PERIODS else {"query": query}
    transport = StreamableHttpTransport(f"{URL}/websearch/mcp?bot={BOT}", auth=KEY)
    async with Client(transport) as client:
        found = (await client.call_tool("search_web", search)).structured_content or {}
        print(found["say"])
        for page in found["results"]:
            print(f"{page.get('date', 'undated')}  {page['title']}  {page['link']}")
            print(f"            {page['snippet']}")
        if found["results"]:
            first = {"page": found["results"][0]["page"]}
            read = (await client.call_tool("read_page", first)).structured_content or {}
            print(f"\n{read['title']}\n{read['text']}")


PERIODS = ("day", "week", "month", "year")

if __name__ == "__main__":
    try:
        asyncio.run(main())
    except ToolError as refusal:
        sys.exit(str(refusal))
