"""`antiphon demo`: sets up a deployment, makes a call, and keeps the talk page running."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import httpx2
from rich.console import Console

from config.bots import BotNotFoundError
from config.declarations.schema import Declaration, read_declaration
from config.declarations.section import sections
from config.settings import Settings
from orchestrator.admin.api_keys import create_api_key
from orchestrator.admin.bot_tools import list_bot_tools, read_bot_prefix
from orchestrator.admin.declarations import apply_file
from orchestrator.agent.fillers import all_sentences
from orchestrator.agent.model_choice import EMBEDDED, resolve_llm, resolve_stt, resolve_tts
from orchestrator.demo.conversation import CallTarget, run_call
from orchestrator.demo.records import find_records
from orchestrator.demo.report import Report
from orchestrator.demo.script import Utterance, find_recordings, load_utterances
from orchestrator.demo.setup import fetch_requirements
from orchestrator.demo.timeline import Timeline
from orchestrator.local.deployment import Deployment, Plan, run_deployment
from orchestrator.sentences import in_language


@dataclass(frozen=True)
class DemoOptions:
    """The options of `antiphon demo`."""

    declaration: Path
    bot: str | None = None
    wavs: tuple[Path, ...] = ()
    once: bool = False
    record: Path | None = None
    state: Path | None = None


async def run_demo(settings: Settings, options: DemoOptions, console: Console) -> Report | None:
    """Run the demo, and return the report of its call.

    Raises:
        DeclarationError, RecordingError, EngineError, CallError: the message says what to do.
    """
    timeline = Timeline(console)
    declaration = read_declaration(options.declaration, sections())
    bot = _bot_name(declaration, options.bot)
    script = load_utterances(options.wavs or find_recordings(options.declaration))
    providers = _providers(declaration, bot, settings)
    needs = EMBEDDED in providers.values()
    embedded_llm = providers["llm"] == EMBEDDED
    client = await fetch_requirements(
        settings, timeline.step, models=needs, llm=embedded_llm, page=not options.once
    )
    plan = Plan(folder=options.state, models=needs, llm=embedded_llm, livekit_client=client)
    async with run_deployment(settings, plan, timeline.step) as deployment:
        local_settings = deployment.settings
        await apply_file(local_settings, options.declaration, progress=timeline.step)
        await list_bot_tools(local_settings, declaration.business.slug, bot)
        if embedded_llm:
            timeline.step("language model: reading the bot's instructions and tools")
            await read_bot_prefix(local_settings, declaration.business.slug, bot)
        report = await _call(deployment, declaration, bot, providers, script, timeline, options)
        timeline.summary(report)
        if not options.once:
            await _keep_running(deployment, declaration, bot, script[0].text or "", console)
        return report


async def _call(
    deployment: Deployment,
    declaration: Declaration,
    bot: str,
    providers: dict[str, str],
    script: Sequence[Utterance],
    timeline: Timeline,
    options: DemoOptions,
) -> Report:
    business = declaration.business.slug
    key = await create_api_key(deployment.settings, business, "demo")
    target = CallTarget(
        deployment.api_url,
        business,
        bot,
        key,
        deployment.models_url,
        providers,
        _fillers(declaration, bot),
    )
    report = await run_call(target, script, timeline, options.record)
    records = await find_records(deployment.settings, report)
    booking = next(iter(records["bookings"][-1:]), None)
    engine = await _engine(deployment) if providers["llm"] == EMBEDDED else None
    found = {"booking": booking, "records": records, "engine": engine}
    return report.model_copy(update=found)


async def _engine(deployment: Deployment) -> str | None:
    """Return what runs the embedded language model."""
    async with httpx2.AsyncClient(trust_env=False) as client:
        health = (await client.get(deployment.settings.models_health_url)).json()
    return str(health["engine"]["name"])


def _bot_name(declaration: Declaration, requested: str | None) -> str:
    names = [bot.name for bot in declaration.bots]
    name = requested or next(iter(names), None)
    if name not in names:
        raise BotNotFoundError
    return name


def _fillers(declaration: Declaration, name: str) -> list[str]:
    bot = next(bot for bot in declaration.bots if bot.name == name)
    policies = (policy for use in bot.servers.values() for policy in use.policy.values())
    with in_language(bot.default_language):
        return [*all_sentences(), *(policy.filler for policy in policies if policy.filler)]


def _providers(declaration: Declaration, name: str, settings: Settings) -> dict[str, str]:
    bot = next(bot for bot in declaration.bots if bot.name == name)
    return {
        "stt": resolve_stt(bot.stt, settings),
        "llm": resolve_llm(bot.llm, settings)[0].name,
        "tts": resolve_tts(bot.tts, settings),
    }


async def _keep_running(
    deployment: Deployment, declaration: Declaration, bot: str, example: str, console: Console
) -> None:
    query = {"business": declaration.business.slug, "bot": bot, "example": example}
    url = f"{deployment.api_url}/?{urlencode(query)}"
    console.print(f"\n[bold green]Talk or type to it:[/] {url}", highlight=False)
    console.print("Ctrl-C stops everything.")
    with contextlib.suppress(asyncio.CancelledError):
        raise await deployment.failure()
