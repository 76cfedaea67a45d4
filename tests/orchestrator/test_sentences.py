"""What the agent says by itself, in the language of whoever is spoken to."""

import asyncio
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest
from fastmcp.tools import tool
from livekit import rtc
from livekit.agents.llm import ChatContext, FunctionCallOutput
from redis.asyncio import Redis

from config.bots import Bot
from config.database import Database
from config.language.catalogue import DEFAULT, load_messages
from config.security.tokens import Claims, Signer
from orchestrator.agent.call_ending import CallEnding
from orchestrator.agent.client_events import discard_event
from orchestrator.agent.fillers import Fillers
from orchestrator.agent.spoken_results import SpokenResults
from orchestrator.agent.text_input import MAX_LENGTH, TOPIC, TextInput
from orchestrator.agent.timing import TurnClock
from orchestrator.agent.tool_runner import ToolRunner
from orchestrator.agent.toolset import Toolset
from orchestrator.mcp_client.external.confirmation import require_confirmation
from orchestrator.mcp_client.reserved_names import END_CONVERSATION
from orchestrator.mcp_client.router import Identity, Router
from orchestrator.mcp_client.tool import (
    Outcome,
    ToolInfo,
    invalid_outcome,
    unknown_tool_outcome,
    unreachable_outcome,
)
from orchestrator.runtime.background_tasks import BackgroundTasks
from orchestrator.sentences import in_language, say
from tests.conftest import Tenant
from tests.support.asgi import serve_app
from tests.support.processes import in_one_task
from tests.support.pseudo_locale import PSEUDO, latin_words, pseudo_locale
from tests.support.servers import serve
from tests.support.speech_bots import PATIENCE, bot
from tests.support.translated import literal_sentences, unused_sentences
from toolkit.effects import READS
from toolkit.errors import Rejected
from toolkit.middleware.results import Result
from toolkit.server.build import ServerSpec

CALLER = "caller"


@contextmanager
def translated() -> Generator[None]:
    """Everything inside is said in the pseudo-language."""
    with pseudo_locale(), in_language(PSEUDO):
        yield


def assert_translated(said: str | None, *data: str) -> None:
    assert said
    assert latin_words(said, data) == []
    assert not set(said) & set("{}")


def test_every_sentence_is_said_somewhere_and_can_be_translated() -> None:
    assert unused_sentences("orchestrator") == []
    assert literal_sentences("orchestrator") == []
    english = load_messages("orchestrator", DEFAULT)
    with translated():
        for name, message in english.items():
            count = {"count": 1, "limit": 1}
            parts = {part: count.get(part, "7") for part in message.parts}
            assert_translated(say(name, **parts).replace("7", ""), "no data")


def test_a_call_that_reaches_no_tool_is_told() -> None:
    with translated():
        outcomes = unknown_tool_outcome(), invalid_outcome("x", 1), unreachable_outcome("x", 1)
    for outcome in outcomes:
        assert_translated(outcome.say)


@pytest.mark.parametrize("values", [[], ["Ada"], ["Ada", "12", "Berg"]])
async def test_a_tool_of_others_is_read_back(cache: Redis, values: list[str]) -> None:
    card = ToolInfo(
        server="erp", tool="add", description="", parameters={}, reads=False, repeatable=False
    )
    arguments = {str(number): value for number, value in enumerate(values)}
    claims = Claims(sub="bot:x", business_id=uuid4())
    with translated():
        asked = await require_confirmation(cache, card, arguments, claims)
    assert asked is not None
    assert_translated(asked.say, "add", *values)
    assert all(value in str(asked.say) for value in values)


def test_sentences_of_results_are_said_one_after_the_other() -> None:
    results = SpokenResults()
    context = ChatContext.empty()
    for name in ("One.", "Two.", "Three."):
        results.add(name, name)
        context.items.append(FunctionCallOutput(call_id=name, output="", is_error=False))
    assert results.find(context) == "One. Two. Three."


async def test_who_has_no_more_time_is_told() -> None:
    said: list[str] = []

    async def speak(sentence: str, *, allow_interruptions: bool) -> None:
        said.append(sentence)

    async def nothing(*_: object) -> None: ...

    room = SimpleNamespace(delete_room=nothing)
    job = SimpleNamespace(
        room=SimpleNamespace(name="room"), api=SimpleNamespace(room=room), shutdown=str
    )
    ending = CallEnding(
        cast("Any", job),
        CALLER,
        cast("Any", SimpleNamespace(recognize=nothing)),
        BackgroundTasks(),
    )
    with translated():
        await ending.limit_duration(cast("Any", SimpleNamespace(say=speak)), 0)
    (sentence,) = said
    assert_translated(sentence)


class Typed:
    """A text that arrives in parts, or does not."""

    def __init__(self, *parts: str, broken: bool = False) -> None:
        self._parts = parts
        self._broken = broken
        self.info = SimpleNamespace(attributes=None)

    def close(self) -> None:
        """Do nothing."""

    async def __aiter__(self) -> AsyncIterator[str]:
        for part in self._parts:
            yield part
        if self._broken:
            raise rtc.StreamError("lost")


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        ([Typed(" ")], "blank"),
        ([Typed("a" * MAX_LENGTH, "a")], "too_long"),
        ([Typed("a", broken=True)], "incomplete"),
        ([Typed("a")] * 11, "too_fast"),
    ],
)
async def test_a_text_that_is_not_taken_is_answered(texts: Sequence[Typed], reason: str) -> None:
    refused: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    background = BackgroundTasks()
    unused = cast("Any", SimpleNamespace(add_typed_turn=str))
    handlers: dict[str, Callable[[Any, str], None]] = {}
    room = SimpleNamespace(register_text_stream_handler=handlers.__setitem__)
    with translated():
        TextInput(
            CALLER,
            unused,
            unused,
            cast("Any", SimpleNamespace(runner=SimpleNamespace(idle=asyncio.Event()))),
            unused,
            unused,
            lambda _, data: refused.put_nowait(dict(data)),
            background,
        ).attach(cast("Any", room))
        for each in texts:
            handlers[TOPIC](each, CALLER)
        async with asyncio.timeout(PATIENCE):
            event = await refused.get()
        await background.aclose()
    assert event["reason"] == reason
    assert_translated(event["message"])


async def test_a_goodbye_is_answered() -> None:
    leaving: Bot = bot().model_copy(update={"system_tools": (END_CONVERSATION,)})
    identity = Identity("bot:x", leaving.business_id, leaving, uuid4())
    runner = ToolRunner(
        leaving,
        identity,
        cast("Any", None),
        discard_event,
        TurnClock(discard_event),
        Fillers(-1),
        small_model=True,
    )
    (hang_up,) = Toolset(leaving, runner, hang_up=lambda: None).function_tools([])
    context = ChatContext.empty()
    context.items.append(FunctionCallOutput(call_id="1", output="", is_error=False))
    with translated():
        await hang_up({}, SimpleNamespace(function_call=SimpleNamespace(call_id="1")))
    assert_translated(runner.spoken.find(context))


@tool(title="Refuse", annotations=READS)
async def refuse() -> Result:
    """Refuse."""
    raise Rejected("No.")


async def test_the_language_arrives_at_a_server(
    signer: Signer, database: Database, cache: Redis, tenant: Tenant
) -> None:
    spec = ServerSpec("scheduling", "A server that refuses.", (refuse,))

    async def call() -> Outcome:
        return await router.call("scheduling", "refuse", {}, tenant.claims())

    async with (
        in_one_task(serve([spec], signer, database, cache)) as servers,
        in_one_task(serve_app(servers.app)) as url,
    ):
        router = Router(signer, lambda name: f"{url}/{name}/mcp")
        with translated():
            asked = await call()
        english = await call()
        await router.aclose()
    assert (asked.error, english.error) == ("rejected", "rejected")
    assert_translated(asked.say)
    assert english.say == "I'm afraid that is not possible."
