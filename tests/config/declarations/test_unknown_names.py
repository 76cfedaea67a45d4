"""A name in a declaration that stands for nothing is refused with its line, and what was meant."""

from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from sqlalchemy import text

from config.database import Database
from config.declarations.apply import apply
from config.declarations.schema import DeclarationError, read_declaration
from config.declarations.section import sections
from config.errors import UserError
from tests.config.conftest import Write
from tests.support.servers import KEYRING

SHOP = """\
business: {{slug: {slug}, name: Corner Books}}
knowledge_bases:
  - {{name: books}}
calendars:
  - name: readings
    services: [{{id: reading, name: reading, minutes: 60}}]
    hours: {{mon-fri: "09:00-18:00"}}
integrations:
  - {{name: desk, server: tickets, provider: jira, secrets: {{}}, settings: {{bot: reception}}}}
bots:
  - name: reception
    system_prompt: You answer the phone.
    first_message_inbound: Hello.
    knowledge_base: books
    servers:
      scheduling:
        integration: readings
        tools: [create_booking]
        denied_tools: [cancel_booking]
        policy: {{create_booking: {{confirm: true}}}}
      tickets: {{integration: desk}}
      knowledge: {{integration: books}}
"""


@pytest.fixture
def shop() -> str:
    """A declaration of a business that is not stored yet."""
    return SHOP.format(slug=f"s{uuid4().hex[:12]}")


async def apply_text(
    database: Database, cache: Redis, write: Write, declaration: str, **options: Any
) -> None:
    path = write(declaration)
    read = read_declaration(path, sections())
    await apply(database, cache, read, sections(), keyring=KEYRING, **options)


async def is_stored(database: Database, declaration: str) -> bool:
    slug = declaration.split("slug: ")[1].split(",")[0]
    async with database.unscoped() as session:
        found = await session.scalar(text("select find_business(:slug)"), {"slug": slug})
    return found is not None


@pytest.mark.parametrize("dry_run", [False, True])
async def test_names_of_what_the_same_file_declares_are_known(
    database: Database, cache: Redis, shop: str, write: Write, dry_run: bool
) -> None:
    await apply_text(database, cache, write, shop, dry_run=dry_run)
    assert await is_stored(database, shop) is not dry_run


@pytest.mark.parametrize(
    ("before", "after", "line", "said"),
    [
        ("tools: [create_booking]", "tools: [creat_booking]", 18, "did you mean create_booking"),
        ("[cancel_booking]", "[cancel_bookings]", 19, "did you mean cancel_booking"),
        ("{create_booking: {c", "{book: {c", 20, "there are get_available_slots, create_booking"),
        ("integration: readings", "integration: reading", 17, "did you mean readings?"),
        ("integration: desk", "integration: dseks", 21, "did you mean desk?"),
        ("integration: desk", "integration: readings", 21, "there are desk"),
        ("integration: books", "integration: desk", 22, "there are books"),
        (
            "      tickets: {",
            "      crm: {",
            21,
            "'desk' is not an integration of crm; there is none",
        ),
        ("      tickets: {", "      tikets: {", 21, "did you mean tickets"),
        ("knowledge_base: books", "knowledge_base: bocks", None, "did you mean books?"),
        ("server: tickets", "server: tikets", None, "did you mean tickets?"),
        ("provider: jira", "provider: jirra", None, "did you mean jira?"),
        ("provider: jira", "provider: builtin", None, "there are freshdesk, jira, zendesk"),
        ("settings: {bot: reception}", "bots: [receptoin]", None, "did you mean reception?"),
        ("{bot: reception}", "{bot: receptoin}", None, "did you mean reception?"),
    ],
)
async def test_a_name_that_stands_for_nothing_is_refused(
    database: Database,
    cache: Redis,
    shop: str,
    write: Write,
    before: str,
    after: str,
    line: int | None,
    said: str,
) -> None:
    wrong = shop.replace(before, after)
    assert wrong != shop
    for dry_run in (True, False):
        with pytest.raises(UserError) as refused:
            await apply_text(database, cache, write, wrong, dry_run=dry_run)
        assert said in str(refused.value)
        if line is not None:
            assert isinstance(refused.value, DeclarationError)
            assert f"bots.yaml:{line}: bots.0.servers." in str(refused.value)
    assert not await is_stored(database, shop)


async def test_what_is_stored_already_need_not_be_in_the_file(
    database: Database, cache: Redis, shop: str, write: Write
) -> None:
    await apply_text(database, cache, write, shop)
    first_lines, _, rest = shop.partition("knowledge_bases:")
    alone = f"{first_lines}bots:{rest.partition('bots:')[2]}"
    assert "calendars:" not in alone
    await apply_text(database, cache, write, alone)
    with pytest.raises(DeclarationError, match="did you mean desk"):
        await apply_text(database, cache, write, alone.replace("n: desk", "n: desks"))
