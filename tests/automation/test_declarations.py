"""The `automations` section of a declaration, and a server that reads it from a file."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from sqlalchemy import text

from automation.directory import list_automations, open_hook
from config.database import Database
from config.declarations.apply import apply
from config.declarations.schema import DeclarationError, read_declaration
from config.declarations.section import Change, sections
from config.errors import UserError
from config.security.encryption import Keyring
from config.security.key_rotation import rotate_all
from config.security.tokens import Claims
from config.security.vault import Account
from tests.automation.zapier_double import HOOK, SILENT_HOOK
from tests.support.servers import KEYRING
from tests.support.vendor_contract import CANARY
from toolkit.errors import Disconnected
from toolkit.server.stdio import SingleAccountVault
from toolkit.tenancy import Runtime, ToolCall

SHOP = """\
business: {{slug: {slug}, name: Corner Books}}
integrations:
  - {{name: zaps, server: automation, provider: zapier}}
  - {{name: scenarios, server: automation, provider: make, settings: {{zone: eu1.make.com}}}}
automations:
  - name: notify_team
    integration: zaps
    description: Tells the team something at once.
    hook: ${{TEAM_HOOK}}
    takes:
      type: object
      properties:
        message: {{type: string, maxLength: 500}}
      required: [message]
  - {{name: send_quote, integration: scenarios, description: Sends., scenario: 925, answers: true}}
"""


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> str:
    """A declaration of a business that is not stored yet."""
    monkeypatch.setenv("TEAM_HOOK", HOOK)
    return SHOP.format(slug=f"s{uuid4().hex[:12]}")


async def declare(
    database: Database, folder: Path, declaration: str, keyring: Keyring | None = KEYRING
) -> list[Change]:
    """Apply a declaration."""
    path = folder / "shop.yaml"
    path.write_text(declaration, encoding="utf-8")
    return await apply(
        database, None, read_declaration(path, sections()), sections(), keyring=keyring
    )


async def rows(database: Database, declaration: str) -> list[dict[str, Any]]:
    """Return the automations that are stored."""
    slug = declaration.split("slug: ")[1].split(",")[0]
    async with database.unscoped() as session:
        found = await session.scalar(text("select find_business(:slug)"), {"slug": slug})
    assert found is not None
    async with database.tenant(found) as session:
        query = text("select * from automation order by name")
        return [dict(row) for row in (await session.execute(query)).mappings()]


async def test_declaring_twice_changes_nothing(
    database: Database, tmp_path: Path, shop: str
) -> None:
    changes = await declare(database, tmp_path, shop)
    assert [change.what for change in changes][-2:] == [
        "automation notify_team",
        "automation send_quote",
    ]
    assert await declare(database, tmp_path, shop) == []
    notify, quote = await rows(database, shop)
    assert (quote["scenario"], quote["answers"], quote["takes"]) == (925, True, None)
    assert notify["takes"]["additionalProperties"] is False
    assert CANARY not in str(notify)


async def test_an_edit_says_what_it_changes_and_not_to_what(
    database: Database, tmp_path: Path, shop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await declare(database, tmp_path, shop)
    monkeypatch.setenv("TEAM_HOOK", SILENT_HOOK)
    edited = shop.replace("maxLength: 500", "maxLength: 300").replace("925", "926")
    assert await declare(database, tmp_path, edited) == [
        Change("change", "automation notify_team", "takes, hook"),
        Change("change", "automation send_quote", "scenario"),
    ]


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("integration: zaps", "integration: zips", "names the integration 'zips', which is not"),
        ("integration: zaps", "integration: scenarios", "is at make, where it has a scenario"),
        ("provider: zapier", "provider: make", "is at make, where it has a scenario"),
        (
            "server: automation, provider: zapier",
            "server: crm, provider: zoho",
            "is not stored for",
        ),
        ("${TEAM_HOOK}", "${NOT_SET}", "NOT_SET is not set"),
    ],
)
async def test_what_does_not_belong_together_is_refused(
    database: Database, tmp_path: Path, shop: str, before: str, after: str, complaint: str
) -> None:
    with pytest.raises(UserError, match=complaint.replace("$", r"\$")):
        await declare(database, tmp_path, shop.replace(before, after, 1))


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("hook: ${TEAM_HOOK}", f"hook: {HOOK}", "9: .*a file is no place for a secret"),
        ("hook: ${TEAM_HOOK}", "answers: false", "either a hook, at Zapier, or a scenario"),
        ("hook: ${TEAM_HOOK}", "{hook: ${TEAM_HOOK}, answers: true}", "shop.yaml:"),
        ("scenario: 925", "scenario: 925, hook: '${TEAM_HOOK}'", "either a hook"),
        ("scenario: 925", "scenario: 0", "greater than or equal to 1"),
        ("maxLength: 500", "pattern: (a+)+$", "unknown key 'pattern'"),
        ("maxLength: 500", "$ref: https://evil.example", "unknown key '.ref'"),
        ("type: string", "type: text", "type: Input should be 'string'"),
        ("required: [message]", "required: [messages]", "is not one of its properties"),
        ("      type: object", "      type: string", "only an object has properties"),
        ("maxLength: 500", "description: " + "x" * 501, "at most 500 characters"),
        ("name: notify_team", "name: send_quote", "two entries called 'send_quote'"),
    ],
)
async def test_a_mistake_is_told_with_its_line(
    database: Database, tmp_path: Path, shop: str, before: str, after: str, complaint: str
) -> None:
    with pytest.raises(DeclarationError, match=complaint) as told:
        await declare(database, tmp_path, shop.replace(before, after, 1))
    assert CANARY not in str(told.value)


async def test_a_hook_elsewhere_is_refused_and_not_repeated(
    database: Database, tmp_path: Path, shop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEAM_HOOK", f"https://evil.example/hooks/catch/1/{CANARY}/")
    with pytest.raises(UserError, match="must be a catch hook of Zapier") as told:
        await declare(database, tmp_path, shop)
    assert CANARY not in str(told.value)


async def test_schemas_have_bounds(database: Database, tmp_path: Path, shop: str) -> None:
    deep = "{type: object, properties: {a: " * 6 + "{type: string}" + "}}" * 6
    many = ", ".join(f"field_{number}: {{type: string}}" for number in range(400))
    for takes, complaint in (
        (deep, "deep"),
        (f"{{type: object, properties: {{{many}}}}}", "bytes"),
    ):
        head, _, tail = shop.partition("    takes:\n")
        rest = tail[tail.index("  - {name: send_quote") :]
        with pytest.raises(DeclarationError, match=complaint):
            await declare(database, tmp_path, f"{head}    takes: {takes}\n{rest}")


async def test_hooks_are_rewrapped_with_the_accounts(
    database: Database, tmp_path: Path, shop: str
) -> None:
    await declare(database, tmp_path, shop)
    newer = Keyring("k2", {**KEYRING.keys, "k2": b"2" * 32})
    assert (await rotate_all(database, newer)).done >= 1
    (notify, _) = await rows(database, shop)
    assert notify["hook"]["kid"] == "k2"
    await rotate_all(database, Keyring("k1", newer.keys))
    assert await declare(database, tmp_path, shop) == []


@pytest.fixture
def alone(tmp_path: Path) -> tuple[ToolCall, Path]:
    """A call of a server that runs without a database, and the file of its automations."""
    vault = SingleAccountVault(Account("zapier"))
    runtime = Runtime(httpx2.AsyncClient(), vault)
    return ToolCall(Claims(sub="stdio", business_id=uuid4()), runtime), tmp_path / "mine.yaml"


async def test_without_a_database_they_are_read_from_a_file(
    alone: tuple[ToolCall, Path], shop: str
) -> None:
    call, path = alone
    path.write_text(shop, encoding="utf-8")
    account = Account("zapier", settings={"automations": str(path)})
    (notify,) = await list_automations(call, account)
    assert (notify.name, open_hook(call, notify)) == ("notify_team", HOOK)
    assert CANARY not in repr(notify)
    (quote,) = await list_automations(call, Account("make", settings=account.settings))
    assert (quote.name, quote.scenario) == ("send_quote", 925)


@pytest.mark.parametrize(
    "content", [None, "", "a: [", "automations: 5", "automations: [{name: x}]"]
)
async def test_a_file_that_cannot_be_used_says_so(
    alone: tuple[ToolCall, Path], content: str | None
) -> None:
    call, path = alone
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(Disconnected):
        await list_automations(call, Account("zapier", settings={"automations": str(path)}))
    with pytest.raises(Disconnected, match="automations has to name a file"):
        await list_automations(call, Account("zapier"))
