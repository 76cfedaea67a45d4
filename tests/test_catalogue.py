"""Rules that hold for every tool of every server, as a client sees it over HTTP."""

import importlib
import os
import re
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from jsonschema import Draft202012Validator
from mcp_types import Tool
from redis.asyncio import Redis

from config.constellation import constellation, load_object
from config.database import Database
from config.security.tokens import Signer
from orchestrator.cli.server_docs import server_page, write_pages
from tests.support.processes import in_one_task
from tests.support.servers import Servers, serve
from tests.support.tenants import list_every_tool

SERVERS = tuple(constellation().servers)
TOKENS = 100  # of schema, on average
FORBIDDEN = re.compile(r"tenant|business|account_id|api_?key|secret|token|password|credential|url")
Listed = Mapping[str, Mapping[str, Tool]]


@pytest_asyncio.fixture(scope="module")
async def servers(signer: Signer, database: Database, cache: Redis) -> AsyncGenerator[Servers]:
    specs = [load_object(dotted) for dotted in constellation().servers.values()]
    async with in_one_task(serve(specs, signer, database, cache)) as servers:
        yield servers


@pytest_asyncio.fixture(scope="module")
async def listed(servers: Servers, database: Database) -> Listed:
    """What tenants are shown who name every tool, and whose vendors can do everything together."""
    return {server: await list_every_tool(servers, database, server) for server in SERVERS}


@pytest.mark.parametrize("server", SERVERS)
def test_a_client_is_shown_what_the_catalogue_says(server: str, listed: Listed) -> None:
    catalogue = load_object(constellation().servers[server]).catalogue()
    assert list(listed[server]) == catalogue["tools"]
    assert set(catalogue["unsupported"]) <= set(catalogue["providers"])
    for tools in catalogue["unsupported"].values():
        assert set(tools) <= set(catalogue["tools"])


@pytest.mark.parametrize("server", SERVERS)
def test_every_tool_says_what_it_is_and_does(server: str, listed: Listed) -> None:
    for name, tool in listed[server].items():
        assert tool.title, name
        assert tool.description, name
        assert tool.annotations, name
        hints = tool.annotations.model_dump(exclude={"title"})
        assert len(hints) == 4, name
        assert all(isinstance(hint, bool) for hint in hints.values()), name
        reads, destroys = hints["read_only_hint"], hints["destructive_hint"]
        assert not (reads and destroys), name


@pytest.mark.parametrize("server", SERVERS)
def test_every_tool_has_schemas(server: str, listed: Listed) -> None:
    for name, tool in listed[server].items():
        assert tool.output_schema, name
        Draft202012Validator.check_schema(tool.input_schema)
        Draft202012Validator.check_schema(tool.output_schema)
        assert tool.input_schema["additionalProperties"] is False, name


@pytest.mark.parametrize("server", SERVERS)
def test_no_tool_takes_a_tenant_a_credential_or_an_address(server: str, listed: Listed) -> None:
    for name, tool in listed[server].items():
        arguments = " ".join(tool.input_schema.get("properties", {}))
        assert not FORBIDDEN.search(arguments), name


@pytest.mark.parametrize("server", SERVERS)
def test_a_tools_name_is_the_act_not_the_server(server: str, listed: Listed) -> None:
    for name in listed[server]:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", name), name
        assert len(f"{server}_{name}") <= 64, name


@pytest.mark.parametrize("server", SERVERS)
def test_schemas_cost_few_tokens(
    server: str, listed: Listed, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Read when litellm is imported: otherwise it asks the network for prices.
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    token_counter = importlib.import_module("litellm").token_counter

    def tokens(tools: list[dict[str, Any]]) -> int:
        message = [{"role": "user", "content": "Hello."}]
        return int(token_counter(model="gpt-4o", messages=message, tools=tools))

    functions = [
        {
            "name": f"{server}_{name}",
            "description": tool.description,
            "parameters": tool.input_schema,
        }
        for name, tool in listed[server].items()
    ]
    wire = [{"type": "function", "function": function} for function in functions]
    mean = (tokens(wire) - tokens([])) / len(wire)
    assert 10 < mean <= TOKENS


def test_every_name_that_was_agreed_exists(listed: Listed) -> None:
    contracts = os.environ.get("VENDOR_CONTRACTS")
    agreed = Path(contracts).parent / "catalogue.yaml" if contracts else None
    if agreed is None or not agreed.is_file():
        pytest.skip("VENDOR_CONTRACTS does not stand beside the agreed catalogue.yaml")
    names: Any = yaml.safe_load(agreed.read_text(encoding="utf-8"))
    for server in SERVERS:
        catalogue = load_object(constellation().servers[server]).catalogue()
        assert set(names[server]["tools"]) <= set(catalogue["tools"]), server
        providers = names[server]["providers"]
        assert sorted(providers) == sorted(catalogue["providers"]), server


@pytest.mark.parametrize("server", SERVERS)
def test_the_page_of_a_server_is_up_to_date(server: str, repository: Path) -> None:
    """`antiphon catalogue --docs docs/servers` writes the pages anew."""
    page = repository / "docs" / "servers" / f"{server}.md"
    assert page.read_text(encoding="utf-8") == server_page(server)


def test_there_is_no_page_of_a_server_that_is_gone(repository: Path, tmp_path: Path) -> None:
    written = {path.name for path in write_pages(tmp_path)}
    assert {path.name for path in (repository / "docs" / "servers").glob("*.md")} == written
