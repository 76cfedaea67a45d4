"""Makes one demonstration call, and builds the report of it."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import numpy as np

from orchestrator.demo.audio import Samples, split_sentences, wav_bytes, write_wav
from orchestrator.demo.call_log import merge_tool_calls
from orchestrator.demo.caller import RECEIVE_RATE, SEND_RATE, Caller, CallError
from orchestrator.demo.latency import latency
from orchestrator.demo.report import HeardBack, Played, Report, Speech, Turn
from orchestrator.demo.script import Utterance
from orchestrator.demo.timeline import Timeline
from orchestrator.demo.word_error_rate import word_error_rate

_GREETING_TIMEOUT = 40.0  # seconds
_REPLY_TIMEOUT = 60.0
_HANG_UP_TIMEOUT = 10.0
_STORING_TIMEOUT = 15.0
_POLL = 0.2


@dataclass(frozen=True)
class CallTarget:
    """The bot to call, the key to read its transcript, and the models' URL if they run here.

    `fillers` are the sentences with which the bot bridges a wait.
    """

    api_url: str
    business: str
    bot: str
    key: str
    models_url: str | None
    providers: Mapping[str, str]
    fillers: Sequence[str] = ()


@dataclass(frozen=True)
class _Exchange:
    """An utterance (None: the greeting) and its answer; all times are by time.time()."""

    utterance: Utterance | None
    started: float
    spoken: float
    ended: float


async def run_call(
    target: CallTarget, script: Sequence[Utterance], timeline: Timeline, record: Path | None = None
) -> Report:
    """Call, play every utterance of the script, and return the report.

    With `record`, the audio of both sides is written to that folder.

    Raises:
        CallError: the call could not be made, or no agent answered.
    """
    caller = Caller(timeline.event, target.fillers)
    started = time.time()
    await caller.call(target.api_url, target.business, target.bot, target.key)
    greeted_at = await caller.wait_for_reply(started, _GREETING_TIMEOUT)
    if greeted_at is None:
        raise CallError("no agent answered the call: is a worker running? `antiphon doctor` says")
    exchanges = [_Exchange(None, started, started, time.time())]
    for utterance in script:
        if caller.disconnected.is_set():
            break
        timeline.caller(utterance.file, utterance.text)
        utterance_started = time.time()
        spoken = await caller.say(utterance.samples)
        await caller.wait_for_reply(spoken, _REPLY_TIMEOUT)
        exchanges.append(_Exchange(utterance, utterance_started, spoken, time.time()))
    hung_up = await _agent_hangs_up(caller)
    await caller.hang_up()
    if record is not None:
        _record(caller, record)
    return await _report(target, caller, exchanges, greeted_at - started, hung_up)


async def _agent_hangs_up(caller: Caller) -> bool:
    try:
        async with asyncio.timeout(_HANG_UP_TIMEOUT):
            await caller.disconnected.wait()
    except TimeoutError:
        return False
    return True


async def _report(
    target: CallTarget,
    caller: Caller,
    exchanges: Sequence[_Exchange],
    greeting_seconds: float,
    hung_up: bool,
) -> Report:
    conversation_id = str(caller.session["conversation_id"])
    path = f"/api/conversations/{conversation_id}"
    headers = {"Authorization": f"Bearer {target.key}"}
    async with httpx2.AsyncClient(base_url=target.api_url, headers=headers, timeout=15) as client:
        await _wait_until_stored(client, path)
        transcript = await _stored(client, f"{path}/transcript")
        log = await _stored(client, f"{path}/tool_calls")
    heard_back = await _heard_back(target.models_url, caller, exchanges)
    spoken = [(e.utterance.text, _user_text(caller, e)) for e in exchanges if e.utterance]
    known = [(text, heard) for text, heard in spoken if text is not None]
    return Report(
        business=target.business,
        bot=target.bot,
        conversation_id=conversation_id,
        providers=dict(target.providers),
        greeting_seconds=round(greeting_seconds, 3),
        turns=_turns(caller, exchanges),
        tool_calls=merge_tool_calls(caller.events, log, transcript),
        heard_back=heard_back,
        speech=Speech(
            caller_wer=round(word_error_rate(known), 4) if known else None,
            agent_wer=(
                round(word_error_rate([(h.said, h.heard) for h in heard_back]), 4)
                if heard_back
                else None
            ),
        ),
        booking=None,
        transcript_url=f"{target.api_url}{path}/transcript",
        transcript=transcript,
        agent_hung_up=hung_up,
        unanswered=sum(not caller.answers(e.spoken, e.ended) for e in exchanges),
    )


async def _wait_until_stored(client: httpx2.AsyncClient, path: str) -> None:
    """Wait until the call is over, which is the last thing that is stored of it."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_STORING_TIMEOUT):
            status = "active"
            while status == "active":
                await asyncio.sleep(_POLL)
                status = (await client.get(path)).json().get("status", "active")


async def _stored(client: httpx2.AsyncClient, path: str) -> list[dict[str, Any]]:
    response = await client.get(path)
    if response.is_error:
        raise CallError(f"the API does not show {path}: {response.text}")
    stored: list[dict[str, Any]] = response.json()
    return stored


def _turns(caller: Caller, exchanges: Sequence[_Exchange]) -> list[Turn]:
    turns: list[Turn] = []
    for exchange in exchanges:
        if exchange.utterance is not None:
            played = Played(file=exchange.utterance.file, text=exchange.utterance.text)
            turns.append(Turn(role="user", text=_user_text(caller, exchange), played=played))
        said = caller.transcript_text("agent", exchange.started, exchange.ended)
        if said:
            greets = exchange.utterance is None
            waited = None if greets else latency(caller, exchange.spoken, exchange.ended)
            turns.append(Turn(role="agent", text=said, latency=waited))
    return turns


def _user_text(caller: Caller, exchange: _Exchange) -> str:
    return caller.transcript_text("user", exchange.started, exchange.ended).strip()


async def _heard_back(
    models_url: str | None, caller: Caller, exchanges: Sequence[_Exchange]
) -> list[HeardBack]:
    """Transcribe what the caller heard, if a speech model runs on this machine."""
    if models_url is None:
        return []
    pairs: list[HeardBack] = []
    async with httpx2.AsyncClient(timeout=60) as client:
        for exchange in exchanges:
            said = caller.transcript_text("agent", exchange.started, exchange.ended).strip()
            samples = caller.audio_between(exchange.spoken, exchange.ended)
            pieces = [
                await _transcribe(client, models_url, sentence)
                for sentence in split_sentences(samples)
            ]
            if said:
                pairs.append(HeardBack(said=said, heard=" ".join(pieces)))
    return pairs


async def _transcribe(client: httpx2.AsyncClient, models_url: str, samples: Samples) -> str:
    file = ("heard.wav", wav_bytes(samples, RECEIVE_RATE), "audio/wav")
    data = {"model": "whisper-tiny.en"}
    response = await client.post(
        f"{models_url}/audio/transcriptions", files={"file": file}, data=data
    )
    return str(response.raise_for_status().json()["text"]).strip()


def _record(caller: Caller, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_wav(folder / "caller.wav", np.concatenate(caller.microphone.sent), SEND_RATE)
    received = [chunk.samples for chunk in caller.audio] or [np.zeros(0, np.int16)]
    write_wav(folder / "agent.wav", np.concatenate(received), RECEIVE_RATE)
