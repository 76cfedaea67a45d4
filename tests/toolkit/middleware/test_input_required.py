"""A write that asks the client for something first is remembered once it has been done."""

from typing import Any
from uuid import uuid4

from fastmcp import Client, Context
from fastmcp.client.elicitation import ElicitResult
from fastmcp.client.transports import StreamableHttpTransport
from fastmcp.dependencies import CurrentContext
from fastmcp.tools import tool
from mcp_types import ElicitRequest, ElicitRequestFormParams, InputRequiredResult
from redis.asyncio import Redis

from config.database import Database
from config.security.tokens import Signer, server_audience
from tests.conftest import Tenant
from tests.support.servers import serve
from toolkit.effects import WRITES
from toolkit.middleware.results import Result
from toolkit.server.build import ServerSpec

done: list[str] = []


class Gift(Result):
    """What was wrapped."""

    wrapped: str


@tool(title="Wrap a gift", annotations=WRITES)
async def wrap(gift: str, ctx: Context = CurrentContext()) -> Gift | InputRequiredResult:
    """Wrap a gift in the paper that the client chooses."""
    if not ctx.input_responses:
        schema = {"type": "object", "properties": {"paper": {"type": "string"}}}
        form = ElicitRequestFormParams(message="Which paper?", requested_schema=schema)
        return InputRequiredResult(input_requests={"paper": ElicitRequest(params=form)})
    done.append(gift)
    return Gift(wrapped=gift)


async def test_an_ask_is_not_taken_for_the_work(
    signer: Signer, database: Database, cache: Redis, tenant: Tenant
) -> None:
    questions: list[str] = []

    async def choose(message: str, *_: Any) -> ElicitResult[dict[str, str]]:
        questions.append(message)
        return ElicitResult(action="accept", content={"paper": "red"})

    token = signer.mint(server_audience("gifts"), tenant.claims(conversation_id=uuid4()))
    spec = ServerSpec("gifts", "Gifts.", (wrap,))
    async with serve([spec], signer, database, cache) as servers:
        transport = StreamableHttpTransport(
            "http://127.0.0.1/gifts/mcp", auth=token, httpx_client_factory=servers.http
        )
        async with Client(transport, elicitation_handler=choose) as client:
            first = await client.call_tool("wrap", {"gift": "a book"})
            second = await client.call_tool("wrap", {"gift": "a book"})
    assert first.structured_content == second.structured_content == {"wrapped": "a book"}
    assert done == ["a book"]
    assert questions == ["Which paper?"]
