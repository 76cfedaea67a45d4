"""What every operation has in common: who may call it, and what FastAPI alone would not do."""

import pytest

from orchestrator.api.credentials import Caller, ConversationCaller, KeyCaller, OptionalCaller
from orchestrator.api.routing import ApiRouter
from tests.orchestrator.api.conftest import ClientFactory

CONVERSATION = "11111111-1111-4111-8111-111111111111"


def test_an_operation_that_says_nothing_needs_a_key() -> None:
    async def operation() -> None:
        """Do nothing."""

    for router, access in ((ApiRouter(), "key"), (ApiRouter(public=True), "public")):
        router.get("/operation")(operation)
        assert [each.access for each in router.operations] == [access]


def test_a_credential_outweighs_the_router() -> None:
    router = ApiRouter(public=True)

    @router.get("/operation")
    async def operation(caller: KeyCaller) -> None:  # pyright: ignore[reportUnusedFunction] - registered
        """Do nothing."""

    assert [each.access for each in router.operations] == ["key"]


def test_an_operation_has_one_kind_of_access() -> None:
    async def operation(caller: OptionalCaller, reader: ConversationCaller) -> Caller | None:
        """Return who calls."""
        return caller or reader

    with pytest.raises(TypeError, match="anyone, conversation"):
        ApiRouter().get("/operation", response_model=None)(operation)


@pytest.mark.parametrize("body", [b"{", b" " * (2 * 2**20 + 1)])
@pytest.mark.parametrize("media_type", ["application/json", "text/plain"])
async def test_a_credential_is_checked_before_the_body_is_read(
    client: ClientFactory, body: bytes, media_type: str
) -> None:
    headers = {"Content-Type": media_type}
    async with client() as http:
        answer = await http.post("/api/tools/execute", content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (401, "unauthorized")


@pytest.mark.parametrize(
    "path", ["/healthz", f"/api/conversations/{CONVERSATION}", "/api/agents/bot/config"]
)
async def test_an_operation_without_parameters_takes_none(
    client: ClientFactory, key: str, path: str
) -> None:
    async with client(key) as http:
        answer = await http.get(path, params={"canary": "1"})
    assert (answer.status_code, answer.json()["error"]) == (422, "invalid")
    assert "canary" not in answer.text


@pytest.mark.parametrize(
    ("content", "status"),
    [(b'{"canary": 1}', 422), (b"[]", 422), (b"{", 400), (b"{}", 404), (b"", 404)],
)
async def test_an_operation_without_a_body_takes_none(
    client: ClientFactory, key: str, content: bytes, status: int
) -> None:
    headers = {"Content-Type": "application/json"}
    async with client(key) as http:
        answer = await http.request("DELETE", "/api/servers/erp", content=content, headers=headers)
    assert answer.status_code == status
    assert "canary" not in answer.text


@pytest.mark.parametrize("path", ["/api/servers/erp/accept", "/api/bots/nothing/servers/crm"])
async def test_an_optional_body_may_be_empty_whatever_it_is_called(
    client: ClientFactory, key: str, path: str
) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}  # as curl -d '' sends it
    method = "POST" if path.endswith("accept") else "PUT"
    async with client(key) as http:
        answer = await http.request(method, path, content=b"", headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")


async def test_what_pydantic_says_is_said_in_words_of_json(client: ClientFactory, key: str) -> None:
    async with client(key) as http:
        answers = [
            await http.post("/api/tools/execute", json=[]),
            await http.post("/api/tools/execute", json={"tool_key": "a", "params": []}),
            await http.post("/api/servers/erp/accept", json={"tools": {}}),
        ]
    assert [answer.json()["message"] for answer in answers] == [
        "The body does not fit: Input should be an object.",
        "params does not fit: Input should be an object.",
        "tools does not fit: Input should be a valid array.",
    ]
