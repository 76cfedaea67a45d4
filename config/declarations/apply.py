"""Applies a declaration to the database, in one transaction that nothing slow happens in."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID, uuid4

from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import delete, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from config import external_servers
from config.bots import Bot, announce_change, read_bot
from config.columns import now
from config.constellation import constellation
from config.database import Database
from config.declarations.schema import (
    BotDeclaration,
    BusinessDeclaration,
    Declaration,
    DeclarationError,
)
from config.declarations.section import AccountCheck, ApplyContext, Change, Section
from config.references import UnknownName, find_unknown_name, find_unknown_tool
from config.security.encryption import Keyring
from config.slow_work import SlowWork, run_transaction
from config.tables import (
    AgentConfig,
    AgentSystemTools,
    AgentVoiceConfig,
    Business,
    McpConnection,
)
from config.text import suggest

_SHARED_COLUMNS = frozenset(BotDeclaration.model_fields) & frozenset(AgentConfig.model_fields)


async def apply(
    database: Database,
    cache: Redis | None,
    declaration: Declaration,
    sections: Mapping[str, Section],
    *,
    dry_run: bool = False,
    keyring: Keyring | None = None,
    account_check: AccountCheck | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> list[Change]:
    """Apply a declaration and return what that changed; a dry run changes nothing.

    Long because a section's context has many parts.

    Raises:
        DeclarationError: the declaration names something that does not exist.
    """
    await _check_tools(declaration)
    business_id = await _business_id(database, declaration.business.slug)

    async def attempt(slow_work: SlowWork) -> tuple[ApplyContext, list[Change]]:
        async with database.tenant(business_id) as session:
            applying = ApplyContext(
                session,
                business_id,
                declaration.business.time_zone,
                declaration.path.resolve().parent,
                slow_work,
                dry_run,
                keyring,
                account_check,
                progress,
            )
            changes = await _apply_all(applying, declaration, sections)
            if dry_run:
                await session.rollback()
            return applying, changes

    applying, changes = await run_transaction(attempt)
    if cache is not None and not dry_run:
        await _announce(cache, applying)
    return changes


async def _apply_all(
    applying: ApplyContext, declaration: Declaration, sections: Mapping[str, Section]
) -> list[Change]:
    """Apply business, sections and bots, in the order in which they refer to each other."""
    changes = await _apply_business(applying, declaration.business)
    after_bots = [name for name in declaration.sections if sections[name].after_bots]
    for name in declaration.sections:
        if name not in after_bots:
            changes += await sections[name].apply(applying, declaration.sections[name])
    await _check_servers(applying.session, declaration)
    for bot in declaration.bots:
        change, bot_id = await _apply_bot(applying, declaration, bot)
        if change:
            changes.append(change)
            applying.changed_bots.append(bot_id)
    for name in after_bots:
        changes += await sections[name].apply(applying, declaration.sections[name])
    await _check_names(applying, declaration)
    return changes


async def _announce(cache: Redis, applying: ApplyContext) -> None:
    try:
        for bot_id in dict.fromkeys(applying.changed_bots):
            await announce_change(cache, applying.business_id, bot_id)
    except RedisError:
        applying.progress("The cache does not answer: what runs sees this within five minutes.")


async def _business_id(database: Database, slug: str) -> UUID:
    async with database.unscoped() as session:
        found = await session.scalar(text("select find_business(:slug)"), {"slug": slug})
    return found or uuid4()


async def _apply_business(applying: ApplyContext, declared: BusinessDeclaration) -> list[Change]:
    session = applying.session
    stored = await session.get(Business, applying.business_id)
    what = f"business {declared.slug}"
    if stored is None:
        session.add(Business(id=applying.business_id, **declared.model_dump()))
        await session.flush()
        return [Change("add", what)]
    detail = _differences(stored.model_dump(), declared.model_dump())
    if not detail:
        return []
    stored.name, stored.time_zone, stored.updated_at = declared.name, declared.time_zone, now()
    # Each of its bots has the business's name and time zone.
    applying.changed_bots.extend(await session.scalars(select(col(AgentConfig.id))))
    return [Change("change", what, detail)]


async def _check_servers(session: AsyncSession, declaration: Declaration) -> None:
    known = [
        *constellation().servers,
        *(row.name for row in await external_servers.list_all(session)),
    ]
    for index, bot in enumerate(declaration.bots):
        for name in bot.servers:
            if name not in known:
                at = ("bots", index, "servers", name)
                raise declaration.error(at, f"is not a server; {suggest(name, known)}")


async def _check_tools(declaration: Declaration) -> None:
    """Refuse names of tools that our own servers have not got, before anything is stored."""
    for index, bot in enumerate(declaration.bots):
        for server, use in bot.servers.items():
            if unknown := await find_unknown_tool(server, use):
                raise _unknown_name(declaration, index, server, unknown)


async def _check_names(applying: ApplyContext, declaration: Declaration) -> None:
    """Refuse names of accounts, records and tools of external servers, once these are stored."""
    session, dry_run = applying.session, applying.dry_run
    for index, bot in enumerate(declaration.bots):
        for server, use in bot.servers.items():
            if unknown := await find_unknown_name(session, server, use, dry_run=dry_run):
                raise _unknown_name(declaration, index, server, unknown)


def _unknown_name(
    declaration: Declaration, bot: int, server: str, unknown: UnknownName
) -> DeclarationError:
    return declaration.error(("bots", bot, "servers", server, *unknown.at), unknown.message)


async def _apply_bot(
    applying: ApplyContext, declaration: Declaration, declared: BotDeclaration
) -> tuple[Change | None, UUID]:
    session = applying.session
    what = f"bot {declared.name}"
    columns: dict[str, Any] = declared.model_dump(include=set(_SHARED_COLUMNS), mode="json") | {
        "stt_provider": declared.stt,
        "tts_provider": declared.tts,
        "llm_provider": declared.llm[0].partition("/")[0],
        "llm_model": declared.llm[0],
        "llm_fallbacks": list(declared.llm[1:]),
        "knowledge_base_id": await _knowledge_base(session, declaration, declared),
    }
    stored = await session.scalar(select(AgentConfig).where(col(AgentConfig.name) == declared.name))
    if stored is None:
        bot = AgentConfig(business_id=applying.business_id, **columns)
        session.add(bot)
        await session.flush()
        await _replace_bot_rows(session, bot, declared)
        return Change("add", what), bot.id
    before = await read_bot(session, stored.id)
    for name, value in columns.items():
        setattr(stored, name, value)
    await session.flush()
    await _replace_bot_rows(session, stored, declared)
    detail = _differences(_comparable(before), _comparable(await read_bot(session, stored.id)))
    if not detail:
        return None, stored.id
    stored.version += 1
    stored.updated_at = now()
    return Change("change", what, detail), stored.id


async def _knowledge_base(
    session: AsyncSession, declaration: Declaration, declared: BotDeclaration
) -> UUID | None:
    """Return the id of the bot's knowledge base, which its section has stored by now."""
    if declared.knowledge_base is None:
        return None
    query = text("select id from knowledge_base where name = :name")
    found: UUID | None = await session.scalar(query, {"name": declared.knowledge_base})
    if found is None:
        known = await session.scalars(text("select name from knowledge_base order by name"))
        raise DeclarationError(
            f"{declaration.path}: bot {declared.name} names the knowledge base "
            f"{declared.knowledge_base!r}, which is neither stored nor declared here; "
            f"{suggest(declared.knowledge_base, known)}"
        )
    return found


async def _replace_bot_rows(
    session: AsyncSession, bot: AgentConfig, declared: BotDeclaration
) -> None:
    for table in (AgentVoiceConfig, AgentSystemTools, McpConnection):
        await session.execute(delete(table).where(col(table.agent_config_id) == bot.id))
    mine: dict[str, Any] = {"business_id": bot.business_id, "agent_config_id": bot.id}
    session.add(AgentVoiceConfig(**mine, tts_provider=declared.tts, **declared.voice.model_dump()))
    session.add_all(AgentSystemTools(**mine, tool_key=key) for key in declared.system_tools)
    session.add_all(
        McpConnection(**mine, server=server, **use.model_dump(mode="json"))
        for server, use in declared.servers.items()
    )
    await session.flush()


def _comparable(bot: Bot) -> dict[str, Any]:
    return bot.model_dump(mode="json", exclude={"version"})


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Return the names of what differs, without the values: some are long, some are secret."""
    return ", ".join(key for key, value in after.items() if before.get(key) != value)
