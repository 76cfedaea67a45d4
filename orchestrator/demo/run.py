"""`antiphon demo`: sets everything up, makes a call, and leaves the talk page open."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from config.bots import BotNotFoundError
from config.constellation import sections
from config.declarations.schema import Declaration, read
from config.settings import Settings
from orchestrator.admin.api_keys import created_key
from orchestrator.admin.bot_tools import ask_server, listed_tools
from orchestrator.admin.declarations import applied
from orchestrator.agent.model_choice import EMBEDDED, hears, speaks, thinks
from orchestrator.demo.conversation import Scene, converse
from orchestrator.demo.report import Report
from orchestrator.demo.script import Utterance, recordings_beside, utterances
from orchestrator.demo.setup import prepared
from orchestrator.demo.timeline import Timeline
from orchestrator.local.deployment import Deployment, Plan, deployed


@dataclass(frozen=True)
class Options:
    """What a person asked the demo for."""

    declaration: Path
    bot: str | None = None
    wavs: tuple[Path, ...] = ()
    once: bool = False
    record: Path | None = None
    state: Path | None = None


async def demonstrate(settings: Settings, options: Options, console: Console) -> Report | None:
    """Run the demo, and return the report of its call.

    Raises:
        DeclarationError, RecordingError, EngineError, CallError: say what to do about them.
    """
    timeline = Timeline(console)
    declaration = read(options.declaration, sections())
    bot = _bot(declaration, options.bot)
    script = utterances(options.wavs or recordings_beside(options.declaration))
    providers = _providers(declaration, bot, settings)
    needs = EMBEDDED in providers.values()
    client = await prepared(settings, timeline.step, models=needs, page=not options.once)
    small = providers["llm"] == EMBEDDED
    plan = Plan(folder=options.state, models=needs, llm=small, livekit_client=client)
    async with deployed(settings, plan, timeline.step) as deployment:
        here = deployment.settings
        await applied(here, options.declaration, progress=timeline.step)
        await listed_tools(here, declaration.business.slug, bot)
        report = await _call(deployment, declaration, bot, providers, script, timeline, options)
        timeline.summary(report)
        if not options.once:
            await _stay(deployment, declaration, bot, console)
        return report


async def _call(
    deployment: Deployment,
    declaration: Declaration,
    bot: str,
    providers: dict[str, str],
    script: Sequence[Utterance],
    timeline: Timeline,
    options: Options,
) -> Report:
    business = declaration.business.slug
    key = await created_key(deployment.settings, business, "demo")
    scene = Scene(deployment.api_url, business, bot, key, deployment.models_url, providers)
    report = await converse(scene, script, timeline, options.record)
    return report.model_copy(update={"booking": await _stored_booking(deployment.settings, report)})


async def _stored_booking(settings: Settings, report: Report) -> dict[str, Any] | None:
    """Ask the scheduling server what it has stored of the booking that was made in the call."""
    made = [
        call.result["id"]
        for call in report.tool_calls
        if call.tool == "create_booking" and call.outcome == "ok" and call.result
    ]
    if not made:
        return None
    answer = await ask_server(
        settings, report.business, report.bot, "scheduling", "get_booking", {"booking": made[-1]}
    )
    return None if answer.error else dict(answer.data)


def _bot(declaration: Declaration, wanted: str | None) -> str:
    names = [bot.name for bot in declaration.bots]
    name = wanted or next(iter(names), None)
    if name not in names:
        raise BotNotFoundError
    return name


def _providers(declaration: Declaration, name: str, settings: Settings) -> dict[str, str]:
    bot = next(bot for bot in declaration.bots if bot.name == name)
    return {
        "stt": hears(bot.stt, settings),
        "llm": thinks(bot.llm, settings)[0].name,
        "tts": speaks(bot.tts, settings),
    }


async def _stay(
    deployment: Deployment, declaration: Declaration, bot: str, console: Console
) -> None:
    url = f"{deployment.api_url}/?business={declaration.business.slug}&bot={bot}"
    console.print(f"\n[bold green]Talk or type to it:[/] {url}", highlight=False)
    console.print("Ctrl-C stops everything.")
    with contextlib.suppress(asyncio.CancelledError):
        raise await deployment.failure()
