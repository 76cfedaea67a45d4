"""The real language model over HTTP, as the agent uses it."""

import asyncio
import importlib
import json
import os
import select
import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from orchestrator.embedded import weights

# The type of the fixture `run_models`.
RunModels = Callable[..., AbstractAsyncContextManager[tuple[asyncio.subprocess.Process, str]]]

pytestmark = pytest.mark.model

TEXT = {"type": "string"}


def tool(name: str, purpose: str, properties: dict[str, Any], *examples: Any) -> dict[str, Any]:
    parameters = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "x-examples": examples,
    }
    function = {"name": name, "description": purpose, "parameters": parameters}
    return {"type": "function", "function": function}


TOOLS = [
    tool(
        "find_times",
        "Find free times for a guided tour",
        {"tour": TEXT, "when": TEXT},
        {
            "caller": "Is there a boat tour on Tuesday morning?",
            "arguments": {"tour": "boat", "when": "Tuesday morning"},
        },
    ),
    tool(
        "book_tour",
        "Book one of the times just offered",
        {"slot": {"type": "string", "enum": ["sat-10", "sat-14"]}, "name": TEXT},
        {
            "before": "Offered: tue-9 Tuesday at nine | tue-11 Tuesday at eleven",
            "caller": "Eleven, please. I'm Tom Hill.",
            "arguments": {"slot": "tue-11", "name": "Tom Hill"},
        },
    ),
]
OPENING = [
    {"role": "system", "content": "You answer the phone of the city museum. Be short."},
    {"role": "assistant", "content": "City museum, hello!"},
]
ASK = {"role": "user", "content": "Hi, do you have a garden tour on Saturday?"}
OFFER = {
    "offered": [
        {"handle": "sat-10", "label": "Saturday at ten"},
        {"handle": "sat-14", "label": "Saturday at two"},
    ],
    "say": "I have ten or two. Which one would you like?",
}
FOUND = [
    {
        "role": "assistant",
        "tool_calls": [
            {
                "id": "call_1",
                "type": "function",
                "function": {
                    "name": "find_times",
                    "arguments": '{"tour": "garden", "when": "Saturday"}',
                },
            }
        ],
    },
    {"role": "tool", "tool_call_id": "call_1", "content": json.dumps(OFFER)},
    {"role": "assistant", "content": OFFER["say"]},
]
CHOOSE = {"role": "user", "content": "At two please, my name is Ann Lee."}


def only_child(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text())


async def wait_until_ended(pidfd: int) -> None:
    """Wait until the process of a pidfd has ended."""
    ready, _, _ = await asyncio.to_thread(select.select, [pidfd], [], [], 20)
    os.close(pidfd)
    assert ready


def link_weights(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the models a cache of their own, in which the joined weights are already."""
    joined = weights.join_parts(weights.QWEN_CODER)
    (folder / "models").mkdir()
    (folder / "models" / joined.name).symlink_to(joined)
    monkeypatch.setenv("ANTIPHON_CACHE", str(folder))


async def wait_until_loaded(client: httpx2.AsyncClient) -> None:
    """Wait until a model that has died answers again."""
    async with asyncio.timeout(30):
        while True:
            if (await client.get("/health")).is_success:
                return
            await asyncio.sleep(0.1)


async def complete(client: httpx2.AsyncClient, messages: Any, **more: object) -> Any:
    body = {"model": "local", "messages": messages, "tools": TOOLS, **more}
    response = await client.post("/v1/chat/completions", json=body)
    assert response.status_code == 200, response.text
    return response.json()


@pytest.mark.filterwarnings("ignore:Items .*ReadOnly:UserWarning:pydantic")  # litellm's own types
async def test_a_tool_is_chosen_and_streamed_through_litellm(
    llm: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else it looks for prices online
    # Imported here and untyped: it takes seconds, and its own types are incomplete.
    litellm: Any = importlib.import_module("litellm")
    await complete(llm, OPENING, max_tokens=1)
    stream: Any = await litellm.acompletion(
        model="openai/local",
        base_url=str(llm.base_url.join("/v1")),
        api_key="none",
        messages=[*OPENING, ASK],
        tools=TOOLS,
        stream=True,
        stream_options={"include_usage": True},
    )
    whole = litellm.stream_chunk_builder([chunk async for chunk in stream])
    [call] = whole.choices[0].message.tool_calls
    assert call.function.name == "find_times"
    assert json.loads(call.function.arguments) == {"tour": "garden", "when": "Saturday"}
    assert whole.choices[0].finish_reason == "tool_calls"
    # What was warmed is not read again: the prefix is stable. OpenVINO does not say.
    if whole.usage.prompt_tokens_details is not None:
        assert whole.usage.prompt_tokens_details.cached_tokens > 0.8 * whole.usage.prompt_tokens


async def test_an_offer_is_chosen_by_its_handle(llm: httpx2.AsyncClient) -> None:
    answer = await complete(llm, [*OPENING, ASK, *FOUND, CHOOSE])
    [call] = answer["choices"][0]["message"]["tool_calls"]
    assert call["function"]["name"] == "book_tour"
    assert json.loads(call["function"]["arguments"]) == {"slot": "sat-14", "name": "Ann Lee"}


async def test_a_passage_is_answered_in_words_while_they_are_generated(
    llm: httpx2.AsyncClient,
) -> None:
    passage = {"role": "system", "content": "Facts: The cloakroom is free. The shop closes at six."}
    question = {"role": "user", "content": "When does the shop close?"}
    body = {"messages": [*OPENING, passage, question], "tools": TOOLS, "stream": True}
    async with llm.stream("POST", "/v1/chat/completions", json=body) as response:
        events = [line.removeprefix("data: ") async for line in response.aiter_lines() if line]
    assert events.pop() == "[DONE]"
    deltas = [json.loads(event)["choices"][0]["delta"] for event in events]
    words = [delta["content"] for delta in deltas if delta.get("content")]
    assert len(words) > 1  # OpenVINO guesses up to four tokens at once
    assert "six" in "".join(words)


async def test_only_allowed_tools_are_called(llm: httpx2.AsyncClient) -> None:
    only = {"type": "function", "function": {"name": "find_times"}}
    allowed = {"mode": "required", "tools": [only]}
    choice = {"type": "allowed_tools", "allowed_tools": allowed}
    messages = [*OPENING, ASK, *FOUND, CHOOSE]
    answer = await complete(llm, messages, tool_choice=choice)
    [call] = answer["choices"][0]["message"]["tool_calls"]
    assert call["function"]["name"] == "find_times"
    silent = await complete(llm, messages, tool_choice="none", max_tokens=20)
    assert "tool_calls" not in silent["choices"][0]["message"]


async def test_how_fast_it_writes_is_reported(llm: httpx2.AsyncClient) -> None:
    essay = {"messages": [{"role": "user", "content": "Count from one to twenty."}]}
    await llm.post("/v1/chat/completions", json={**essay, "max_tokens": 24})
    engine = (await llm.get("/health")).json()["engine"]
    assert engine["tokens_per_second"] > 0.5
    assert engine["reason"]


async def test_json_by_schema_without_tools(llm: httpx2.AsyncClient) -> None:
    schema = {
        "type": "object",
        "properties": {"city": TEXT, "rooms": {"type": "integer"}},
        "required": ["city", "rooms"],
    }
    body = {
        "messages": [{"role": "user", "content": "The museum in Lyon has seven rooms."}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
    }
    response = await llm.post("/v1/chat/completions", json=body)
    content = json.loads(response.json()["choices"][0]["message"]["content"])
    assert content == {"city": "Lyon", "rooms": 7}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "nobody", "content": "x"}]}, r"messages.0.role"),
        ({"messages": [ASK], "tools": TOOLS, "tool_choice": "perhaps"}, "tool_choice"),
        ({"messages": [ASK], "tool_choice": "required"}, "nothing to answer with"),
        ({"messages": [ASK], "prompt_cache_key": "x" * 201}, "prompt_cache_key"),
        ({"messages": [{"role": "user", "content": "x " * 5000}]}, "context size"),
        ({"messages": [{"role": "user", "content": "x " * 5000}], "stream": True}, "context size"),
    ],
)
async def test_a_malformed_request_is_refused(
    llm: httpx2.AsyncClient, body: dict[str, Any], message: str
) -> None:
    response = await llm.post("/v1/chat/completions", json=body)
    assert response.status_code == 400
    assert message in response.json()["error"]["message"]


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_hangs_up_frees_the_model(
    llm: httpx2.AsyncClient, stream: bool
) -> None:
    """Both slots get an answer of minutes; when their clients go, the next one is served."""
    essay = {"role": "user", "content": "Write a very long essay about museums."}
    long = {"messages": [essay], "stream": stream, "max_tokens": 2500}

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await llm.post("/v1/chat/completions", json=long)

    await asyncio.gather(give_up(), give_up())
    async with asyncio.timeout(20):
        await complete(llm, OPENING, max_tokens=1)


async def test_the_language_model_ends_with_its_parent(run_models: RunModels) -> None:
    """Even a parent that is killed leaves no process behind."""
    async with run_models("--no-hearing", "--no-speech") as (process, url):
        async with httpx2.AsyncClient(base_url=url, timeout=120) as client:
            await client.get("/health", params={"wait": 120})
        pidfd = os.pidfd_open(only_child(process.pid))
        process.kill()
        await wait_until_ended(pidfd)


async def read_prefix(client: httpx2.AsyncClient) -> None:
    body = {"messages": OPENING[:1], "tools": TOOLS}
    response = await client.post("/v1/prefixes", json=body)
    assert response.status_code == 204, response.text


async def count_read(client: httpx2.AsyncClient, conversation: str) -> int:
    """Ask in a new conversation; return how many tokens had to be read for it."""
    answer = await complete(client, [*OPENING, ASK], prompt_cache_key=conversation)
    usage = answer["usage"]
    return int(usage["prompt_tokens"] - usage["prompt_tokens_details"]["cached_tokens"])


async def test_what_every_call_begins_with_is_read_once_in_a_machines_life(
    run_models: RunModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is known in every slot, after the model's death, and to the next process."""
    link_weights(tmp_path, monkeypatch)
    counts: list[int] = []
    for run in range(2):
        async with (
            run_models("--no-hearing", "--no-speech", "--engine", "llama.cpp") as (process, url),
            httpx2.AsyncClient(base_url=url, timeout=120) as client,
        ):
            await client.get("/health", params={"wait": 120})
            if run == 0:
                await read_prefix(client)
            counts += [await count_read(client, f"{run} {number}") for number in range(3)]
            child = only_child(process.pid)
            pidfd = os.pidfd_open(child)
            os.kill(child, signal.SIGKILL)
            await wait_until_ended(pidfd)
            await wait_until_loaded(client)
            counts.append(await count_read(client, f"{run} again"))
    [state] = (tmp_path / "models" / "prefixes").iterdir()
    assert state.stat().st_mode & 0o077 == 0
    assert max(counts) < 60  # the greeting and the question; the prefix has more than 150


async def test_a_stored_state_that_is_damaged_is_read_anew(
    run_models: RunModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link_weights(tmp_path, monkeypatch)
    async with (
        run_models("--no-hearing", "--no-speech", "--engine", "llama.cpp") as (_, url),
        httpx2.AsyncClient(base_url=url, timeout=120) as client,
    ):
        await client.get("/health", params={"wait": 120})
        await read_prefix(client)
        [state] = (tmp_path / "models" / "prefixes").iterdir()
        size = state.stat().st_size
        state.write_bytes(state.read_bytes()[:1000])
        assert await count_read(client, "other") > 0
        assert state.stat().st_size == size


async def test_a_language_model_that_has_died_is_started_again(run_models: RunModels) -> None:
    async with (
        run_models("--no-hearing", "--no-speech") as (process, url),
        httpx2.AsyncClient(base_url=url, timeout=120) as client,
    ):
        await client.get("/health", params={"wait": 120})
        child = only_child(process.pid)
        pidfd = os.pidfd_open(child)
        os.kill(child, signal.SIGKILL)
        await wait_until_ended(pidfd)
        answer = await client.post("/v1/chat/completions", json={"messages": [ASK]})
        assert answer.status_code == 503
        assert (await client.get("/health")).status_code == 503
        await wait_until_loaded(client)
        await complete(client, OPENING, max_tokens=1)
