"""Refusals of the transcripts tools in the language of whoever is spoken to; there is no more."""

from typing import Any
from uuid import uuid4

from tests.conftest import Tenant
from tests.support.pseudo_locale import pseudo_locale
from tests.support.servers import Servers
from tests.support.translated import connect_translated, literal_sentences
from tests.transcripts.conftest import ENTRIES, tool_call
from transcripts.server import SERVER

USAGE = {"provider": "p", "operation": "llm", "request_id": "r"}
ROOM = {"room_name": "room", "direction": "inbound"}
# What each tool needs besides a conversation.
ARGUMENTS: tuple[tuple[str, dict[str, Any]], ...] = (
    *((name, {}) for name in ("end_conversation", "get_conversation", "update_conversation")),
    *((name, {}) for name in ("get_transcript", "list_tool_calls")),
    ENTRIES[0],
    ENTRIES[1],
    ("export_transcript", {"format": "text"}),
    ("append_tool_call", tool_call()),
    ("record_usage", {"rows": [USAGE]}),
)


async def test_every_tool_refuses_in_the_language_of_its_caller(
    servers: Servers, tenant: Tenant
) -> None:
    unknown, claims = str(uuid4()), tenant.claims()
    nobody = claims.model_copy(update={"bot_id": None})
    with pseudo_locale():
        async with connect_translated(servers, "transcripts", nobody, ()) as caller:
            for tool, arguments in ARGUMENTS:
                await caller.refused("not_found", tool, conversation_id=unknown, **arguments)
            await caller.refused("rejected", "start_conversation", conversation_id=unknown, **ROOM)
            await caller.refused("invalid", "list_conversations", limit=0)
            await caller.refused("invalid", "search_transcripts", query="")
        assert caller.called == {*SERVER.catalogue()["tools"]}


def test_there_are_no_other_sentences() -> None:
    assert literal_sentences("transcripts") == []
