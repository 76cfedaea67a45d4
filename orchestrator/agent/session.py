"""The LiveKit session of a phone call: its models, and when a turn ends or is interrupted."""

from uuid import UUID

from livekit.agents import AgentSession, JobContext, room_io

from config.bots import Bot
from orchestrator.agent.agent_parts import AgentParts
from orchestrator.agent.early_recognition import EarlyRecognition
from orchestrator.agent.speech import MIN_SILENCE, SpeechToText, TextToSpeech, build_vad
from orchestrator.agent.turn_limits import MAX_TOOL_STEPS
from orchestrator.calls.names import caller_identity

# By a bot's eagerness: seconds of silence after which a turn ends.
ENDPOINTING_DELAYS = {"high": MIN_SILENCE, "normal": 0.5, "low": 0.8}


def build_session(
    ctx: JobContext, bot: Bot, parts: AgentParts, stt: SpeechToText, tts: TextToSpeech
) -> AgentSession[None]:
    """Return the session of a call, not yet started."""
    delay = ENDPOINTING_DELAYS[bot.eagerness]
    detector = ctx.proc.userdata.get("vad") or build_vad()
    streams = stt.stt.capabilities.streaming
    return AgentSession(
        stt=stt.stt if streams else EarlyRecognition(stt.stt, detector),
        tts=tts.tts,
        llm=parts.llm,
        vad=detector,
        max_tool_steps=MAX_TOOL_STEPS,
        user_away_timeout=None,
        turn_handling={
            "turn_detection": "vad",
            "endpointing": {"min_delay": delay, "max_delay": delay},
            "interruption": {"mode": "vad", "min_duration": 0.6},
            # Speculative completions would cost a small model its only slot.
            "preemptive_generation": {"enabled": parts.embedded_llm is None},
        },
    )


def room_options(conversation_id: UUID) -> room_io.RoomOptions:
    """Return how the session is connected to the room of a conversation."""
    return room_io.RoomOptions(
        audio_input=room_io.AudioInputOptions(sample_rate=16000),
        participant_identity=caller_identity(conversation_id),
        text_input=False,  # `TextInput` takes what is typed
        close_on_disconnect=False,  # `CallEnding` has the last words recognized first
        delete_room_on_close=True,  # else the job waits for the empty room to expire
    )
