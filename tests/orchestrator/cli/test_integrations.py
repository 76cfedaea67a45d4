"""Accounts at vendors, as an operator connects them: by the command, and in a declaration."""

from collections.abc import AsyncGenerator
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio
from sqlalchemy import text

from config.database import Database
from orchestrator.engines.postgres import Postgres
from orchestrator.engines.valkey import Valkey
from tests.conftest import Tenant, fetch, new_tenant
from tests.crm.providers.test_selldo import KEY as SELLDO_KEY
from tests.crm.providers.test_selldo import FakeSellDo
from tests.scheduling.contract import CANARY
from tests.scheduling.providers.calcom.double import CalCom
from tests.support.servers import VAULT_KEYS
from tests.support.terminal import antiphon_here
from tests.support.vendor_socket import Socket, listening

KEY = f"cal_live_{CANARY}"
DECLARATION = """\
business: {{slug: {slug}, name: A business, time_zone: Europe/Berlin}}
integrations:
  - name: main
    server: scheduling
    provider: calcom
    secrets: {{api_key: "{secret}"}}
    settings: {{base_url: "{url}"}}
    bots: [counter]
bots:
  - name: counter
    system_prompt: You answer the phone.
    first_message_inbound: Hello.
    servers: {{scheduling: {{integration: main}}}}
"""


@pytest_asyncio.fixture
async def calcom() -> AsyncGenerator[str]:
    """Where the vendor listens."""
    async with listening(Socket(CalCom())) as (url,):
        yield url


@pytest_asyncio.fixture
async def slug(database: Database) -> str:
    """A business that is stored."""
    tenant = await new_tenant(database)
    return f"b{tenant.business_id.hex[:12]}"


@pytest.fixture
def environment(postgres_server: Postgres, valkey_server: Valkey) -> dict[str, str]:
    return {
        "DATABASE_URL": postgres_server.database_url,
        "REDIS_URL": valkey_server.redis_url,
        "VAULT_KEYS": VAULT_KEYS,
        "ALLOW_PRIVATE_HOSTS": "1",
        "CALCOM_API_KEY": KEY,
    }


async def rows(database: Database, slug: str) -> list[dict[str, object]]:
    async with database.unscoped() as session:
        business_id = await session.scalar(text("select find_business(:slug)"), {"slug": slug})
    assert business_id is not None
    tenant = Tenant(business_id=business_id)
    return await fetch(database, tenant, "select * from business_integration")


async def test_an_account_is_added_shown_tried_and_removed(
    environment: dict[str, str], slug: str, calcom: str, database: Database
) -> None:
    here = ("--business", slug)
    add = ("integrations", "add", *here, "--server", "scheduling", "--provider", "calcom")
    added = await antiphon_here(
        environment,
        *add,
        "--secret",
        "api_key=${CALCOM_API_KEY}",
        "--setting",
        f"base_url={calcom}",
    )
    assert added.returncode == 0, added.stderr
    assert "calcom: connected" in added.stderr
    (row,) = await rows(database, slug)
    assert row["status"] == "connected"

    listed = await antiphon_here(environment, "integrations", "list", *here)
    assert "calcom" in listed.stdout
    assert calcom in listed.stdout
    tried = await antiphon_here(environment, "integrations", "test", *here, "--name", "calcom")
    assert tried.returncode == 0, tried.stderr
    rotated = await antiphon_here(environment, "integrations", "rotate", "--now")
    assert "brought over" in rotated.stderr
    removed = await antiphon_here(environment, "integrations", "remove", *here, "--name", "calcom")
    assert removed.returncode == 0
    assert await rows(database, slug) == []
    for answer in (added, listed, tried, removed):
        assert CANARY not in f"{answer.stdout}{answer.stderr}{row}"


async def test_what_the_vendor_refuses_is_not_stored(
    environment: dict[str, str], slug: str, database: Database
) -> None:
    dead = "http://127.0.0.1:9"
    add = ("integrations", "add", "--business", slug, "--server", "scheduling")
    calcom = ("--provider", "calcom", "--secret", "api_key=${CALCOM_API_KEY}")
    refused = await antiphon_here(environment, *add, *calcom, "--setting", f"base_url={dead}")
    assert refused.returncode == 1
    assert "was not accepted: Cal.com could not be reached" in refused.stderr.replace("\n", " ")
    private = await antiphon_here(
        {**environment, "ALLOW_PRIVATE_HOSTS": "0"}, *add, *calcom, "--setting", f"base_url={dead}"
    )
    assert private.returncode == 1
    assert "127.0.0.1" in private.stderr
    assert await rows(database, slug) == []
    untried = await antiphon_here(
        environment, *add, *calcom, "--setting", f"base_url={dead}", "--untried"
    )
    assert untried.returncode == 0
    assert len(await rows(database, slug)) == 1


@pytest.mark.parametrize(
    ("may_read", "tried", "said"),
    [
        (True, "selldo: works", ""),
        (False, "selldo: could not be tried: its key may not read", "selldo could not be tried"),
    ],
)
async def test_what_cannot_be_tried_is_said(
    environment: dict[str, str], slug: str, may_read: bool, tried: str, said: str
) -> None:
    selldo = FakeSellDo()
    selldo.may_read = may_read
    variables = {**environment, "SELLDO_KEY": SELLDO_KEY}
    here = ("--business", slug)
    async with listening(Socket(selldo)) as (url,):
        added = await antiphon_here(
            variables,
            *("integrations", "add", *here, "--server", "crm", "--provider", "selldo"),
            *("--secret", "api_key=${SELLDO_KEY}", "--setting", f"base_url={url}"),
        )
        test = await antiphon_here(variables, "integrations", "test", *here, "--name", "selldo")
    assert (added.returncode, test.returncode) == (0, 0), added.stderr
    assert "selldo: connected" in added.stderr
    assert said in added.stderr.replace("\n", " ")
    assert tried in test.stderr.replace("\n", " ")
    assert len(selldo.requests) == 2
    assert CANARY not in f"{added.stderr}{test.stderr}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--provider", "calcom", "--secret", f"api_key={KEY}"), "--secret takes NAME=${VARIABLE}"),
        (("--provider", "calcom", "--secret", "api_key=${UNSET_7}"), "UNSET_7 is not set"),
        (("--provider", "ical", "--secret", "x=${CALCOM_API_KEY}"), "there are calcom"),
        (("--provider", "builtin"), "there are calcom"),
    ],
)
async def test_a_mistake_is_said_in_a_sentence(
    environment: dict[str, str], slug: str, arguments: tuple[str, ...], message: str
) -> None:
    add = ("integrations", "add", "--business", slug, "--server", "scheduling")
    answer = await antiphon_here(environment, *add, *arguments)
    assert answer.returncode == 1
    assert message in answer.stderr
    assert "Traceback" not in answer.stderr
    assert CANARY not in answer.stderr


async def test_a_declaration_connects_an_account_once(
    environment: dict[str, str], tmp_path: Path, calcom: str, database: Database
) -> None:
    slug = f"s{uuid4().hex[:12]}"
    path = tmp_path / "bots.yaml"
    path.write_text(DECLARATION.format(slug=slug, secret="${CALCOM_API_KEY}", url=calcom))
    dry = await antiphon_here(environment, "apply", "--dry-run", str(path))
    assert dry.returncode == 0, dry.stderr
    first = await antiphon_here(environment, "apply", str(path))
    assert first.returncode == 0, first.stderr
    assert "+ integration main" in first.stderr
    again = await antiphon_here(environment, "apply", str(path))
    assert "no difference" in again.stderr
    (row,) = await rows(database, slug)
    assert len(row["scoped_to_bot_ids"]) == 1  # type: ignore[arg-type]  # a list, in jsonb
    changed = await antiphon_here(
        {**environment, "CALCOM_API_KEY": "cal_live_other"}, "apply", str(path)
    )
    assert changed.returncode == 1
    assert "was not accepted: Cal.com" in changed.stderr
    remove = ("integrations", "remove", "--business", slug, "--name", "main")
    used = await antiphon_here(environment, *remove)
    assert used.returncode == 1
    assert "is used by counter, for scheduling" in " ".join(used.stderr.split())
    path.write_text(path.read_text().replace("server: scheduling", "server: schedulin"))
    misspelt = await antiphon_here(environment, "apply", "--untried", str(path))
    assert misspelt.returncode == 1
    assert "did you mean scheduling?" in " ".join(misspelt.stderr.split())
    assert len(await rows(database, slug)) == 1
    for answer in (dry, first, again, changed, used, misspelt):
        assert CANARY not in answer.stderr


async def test_a_secret_in_a_file_is_refused_with_its_line(
    environment: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "bots.yaml"
    path.write_text(DECLARATION.format(slug="x", secret=KEY, url="https://cal.example"))
    answer = await antiphon_here(environment, "apply", str(path))
    assert answer.returncode == 1
    assert f"{path.name}:6: " in answer.stderr.replace("\n", "")
    assert "a file is no place for a secret" in " ".join(answer.stderr.split())
    assert CANARY not in answer.stderr
