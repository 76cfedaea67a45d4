"""The OpenAPI document says what is so; the clients of these tests hold every answer against it."""

from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.orchestrator.api.conftest import DOCUMENT, ClientFactory

EXPECTED_OPERATIONS = {
    "POST /api/sessions/start",
    "GET /api/token",
    "GET /api/conversations",
    "GET /api/conversations/{conversation_id}",
    "POST /api/conversations/{conversation_id}/agent_joined",
    "POST /api/conversations/{conversation_id}/turns",
    "GET /api/conversations/{conversation_id}/turns",
    "GET /api/conversations/{conversation_id}/turns/{order_index}",
    "POST /api/conversations/{conversation_id}/turns/{order_index}/response",
    "POST /api/conversations/{conversation_id}/end",
    "GET /api/conversations/{conversation_id}/transcript",
    "GET /api/conversations/{conversation_id}/tool_calls",
    "GET /api/conversations/{conversation_id}/export",
    "POST /api/rag/retrieve",
    "GET /api/agents/{name}/config",
    "POST /api/tools/execute",
    "GET /api/servers",
    "POST /api/servers",
    "POST /api/servers/{name}/accept",
    "DELETE /api/servers/{name}",
    "GET /api/bots/{bot}/servers",
    "PUT /api/bots/{bot}/servers/{server}",
    "DELETE /api/bots/{bot}/servers/{server}",
    "GET /api/automations",
    "POST /api/automations",
    "DELETE /api/automations/{name}",
    "GET /healthz",
    "GET /readyz",
    "GET /openapi.json",
}


async def test_it_is_served_to_anybody_and_is_valid(client: ClientFactory) -> None:
    async with client() as http:
        answer = await http.get("/openapi.json")
    assert answer.status_code == 200
    assert answer.json() == DOCUMENT
    OpenAPIV31SpecValidator(answer.json()).validate()


def test_every_operation_is_there_and_explained() -> None:
    found = {
        f"{method.upper()} {path}": operation
        for path, operations in DOCUMENT["paths"].items()
        for method, operation in operations.items()
    }
    assert set(found) == EXPECTED_OPERATIONS
    names = [operation["operationId"] for operation in found.values()]
    assert len(set(names)) == len(names)
    assert all(operation["summary"].endswith(".") for operation in found.values())


def test_what_needs_a_credential_says_so() -> None:
    for path, operations in DOCUMENT["paths"].items():
        for operation in operations.values():
            is_api = path.startswith("/api/")
            assert bool(operation["security"]) == is_api, path
