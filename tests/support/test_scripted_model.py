"""The scripted model plays its script, and tells on whoever leaves it."""

from collections.abc import AsyncGenerator
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from tests.support.scripted_model import Call, ScriptedModel, Step, serve_model

TOOL: dict[str, Any] = {"type": "function", "function": {"name": "look_up", "parameters": {}}}
HOURS: dict[str, Any] = {"role": "user", "content": "When do you open?"}
LOOKS_UP = Step("open", [Call("look_up", {"what": "hours"})])
ANSWERS = Step("open", "At nine.", results="9:00")


@pytest.fixture
def model() -> ScriptedModel:
    return ScriptedModel([LOOKS_UP, ANSWERS])


@pytest_asyncio.fixture
async def client(model: ScriptedModel) -> AsyncGenerator[httpx2.AsyncClient]:
    async with (
        serve_model(model) as url,
        httpx2.AsyncClient(base_url=url, trust_env=False) as client,
    ):
        yield client


async def ask(client: httpx2.AsyncClient, *messages: dict[str, Any], **options: Any) -> Any:
    body: dict[str, Any] = {"messages": messages, "tools": [TOOL], **options}
    return await client.post("/chat/completions", json=body)


async def test_it_plays_its_script(model: ScriptedModel, client: httpx2.AsyncClient) -> None:
    first = await ask(client, HOURS)
    message = first.json()["choices"][0]["message"]
    assert message["tool_calls"][0]["function"]["name"] == "look_up"
    streamed = await ask(client, HOURS, message, _result(message, "9:00"), stream=True)
    assert '"content": "At"' in streamed.text
    assert streamed.text.endswith("data: [DONE]\n\n")
    model.assert_done()


async def test_what_it_does_not_expect_fails_the_test(
    model: ScriptedModel, client: httpx2.AsyncClient
) -> None:
    answer = await ask(client, {"role": "user", "content": "Where are you?"})
    assert answer.status_code == 500
    with pytest.raises(AssertionError, match=r"step 1: caller should match 'open'") as error:
        model.assert_done()
    assert "nobody asked" in str(error.value)


async def test_a_tool_must_be_offered(model: ScriptedModel, client: httpx2.AsyncClient) -> None:
    await ask(client, HOURS, tools=[])
    with pytest.raises(AssertionError, match="'look_up' should be offered"):
        model.assert_done()


async def test_a_turn_that_goes_on_gets_the_same_step(
    model: ScriptedModel, client: httpx2.AsyncClient
) -> None:
    model.play(LOOKS_UP)
    for words in ("When do you open", "When do you open on Friday?"):
        answer = await ask(client, {"role": "user", "content": words})
        assert answer.is_success
    model.assert_done()


async def test_warming_is_not_counted(model: ScriptedModel, client: httpx2.AsyncClient) -> None:
    assert (await ask(client, HOURS, max_tokens=1)).is_success
    assert model.requests == []


def _result(message: dict[str, Any], text: str) -> dict[str, Any]:
    call_id = message["tool_calls"][0]["id"]
    return {"role": "tool", "tool_call_id": call_id, "content": text}
