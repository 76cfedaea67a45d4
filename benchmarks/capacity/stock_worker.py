"""A worker of plain livekit-agents, as its documentation has it, with our turn settings.

Its own limit of load is switched off. LIVEKIT_URL, LIVEKIT_API_KEY, LIVEKIT_API_SECRET, MODELS_URL,
STOCK_SERVER_URL and WORKER_READY_FILE are read from the environment.

Run: `python -m benchmarks.capacity.stock_worker PORT`
"""

import asyncio
import os
import sys
from pathlib import Path

from livekit.agents import (
    Agent,
    AgentServer,
    AgentSession,
    JobContext,
    JobProcess,
    JobRequest,
    inference,
)
from livekit.agents.llm.mcp import MCPServerHTTP
from livekit.plugins import openai

AGENT = "stock"
_GREETING = "Harbour Museum, good morning. What can I do for you?"
_INSTRUCTIONS = "You answer the phone for a museum, and book guided tours."


class _Greeter(Agent):
    def __init__(self) -> None:
        super().__init__(instructions=_INSTRUCTIONS)

    async def on_enter(self) -> None:
        """Greet the caller."""
        self.session.say(_GREETING)


def _prepare(process: JobProcess) -> None:
    process.userdata["vad"] = inference.VAD(min_silence_duration=0.35, min_speech_duration=0.1)


async def _serve_call(ctx: JobContext) -> None:
    url, key = os.environ["MODELS_URL"], "benchmark"
    await ctx.connect()
    session: AgentSession[None] = AgentSession(
        stt=openai.STT(model="whisper-tiny.en", base_url=url, api_key=key),
        tts=openai.TTS(
            model="tts-1", voice="joe", base_url=url, api_key=key, response_format="pcm"
        ),
        llm=openai.LLM(model="scripted", base_url=url, api_key=key),
        vad=ctx.proc.userdata["vad"],
        mcp_servers=[MCPServerHTTP(os.environ["STOCK_SERVER_URL"])],
        turn_handling={
            "turn_detection": "vad",
            "endpointing": {"min_delay": 0.5, "max_delay": 2.5},
            "interruption": {"mode": "vad", "min_duration": 0.6},
            "preemptive_generation": {"enabled": True},
        },
    )
    await session.start(_Greeter(), room=ctx.room)


async def _accept(request: JobRequest) -> None:
    await request.accept(name="agent")


def _note_registration(*_: object) -> None:
    Path(os.environ["WORKER_READY_FILE"]).touch()


def _build(port: int) -> AgentServer:
    server = AgentServer(
        num_idle_processes=2,
        host="127.0.0.1",
        port=port,
        load_fnc=lambda: 0.0,
        load_threshold=0.99,
        setup_fnc=_prepare,
    )
    server.rtc_session(_serve_call, agent_name=AGENT, on_request=_accept)
    server.on("worker_registered", _note_registration)
    return server


if __name__ == "__main__":
    asyncio.run(_build(int(sys.argv[1])).run())
