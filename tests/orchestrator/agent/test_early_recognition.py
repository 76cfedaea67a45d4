"""When recognition begins, and whose result counts; detector and recognizer are played."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from livekit import rtc
from livekit.agents import (
    DEFAULT_API_CONNECT_OPTIONS,
    NOT_GIVEN,
    APIConnectionError,
    APIConnectOptions,
    LanguageCode,
    NotGivenOr,
    stt,
    utils,
    vad,
)

from orchestrator.agent.early_recognition import EarlyRecognition

RATE = 16000
WINDOW = 0.1  # seconds of one event
Kind = vad.VADEventType


def frame(seconds: float = WINDOW) -> rtc.AudioFrame:
    samples = int(RATE * seconds)
    return rtc.AudioFrame(b"\0\0" * samples, RATE, 1, samples)


class PlayedDetector(vad.VAD):
    """A detector whose events a test sends."""

    def __init__(self) -> None:
        super().__init__(capabilities=vad.VADCapabilities(update_interval=WINDOW))
        self.events: asyncio.Queue[vad.VADEvent | None] = asyncio.Queue()

    def stream(self) -> vad.VADStream:
        return _PlayedEvents(self)

    def send(self, kind: Kind, *, silence: float = 0.0, seconds: float = WINDOW) -> None:
        self.events.put_nowait(
            vad.VADEvent(
                type=kind,
                samples_index=0,
                timestamp=0,
                speech_duration=0,
                silence_duration=silence,
                frames=[frame(seconds)],
                raw_accumulated_silence=silence,
            )
        )


class _PlayedEvents(vad.VADStream):
    def __init__(self, detector: PlayedDetector) -> None:
        super().__init__(detector)
        self._detector = detector

    async def _main_task(self) -> None:
        while (event := await self._detector.events.get()) is not None:
            self._event_ch.send_nowait(event)


class PlayedRecognizer(stt.STT[Any]):
    """A recognizer that hears how long the audio is, once a test lets it answer."""

    def __init__(self) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=False, interim_results=False))
        self.asked: list[float] = []  # seconds of audio
        self.dropped = 0
        self.failing = False
        self.answering = asyncio.Event()
        self.answering.set()

    async def _recognize_impl(
        self,
        buffer: utils.AudioBuffer,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> stt.SpeechEvent:
        seconds = round(utils.merge_frames(buffer).duration, 2)
        self.asked.append(seconds)
        try:
            await self.answering.wait()
        except asyncio.CancelledError:
            self.dropped += 1
            raise
        if self.failing:
            raise APIConnectionError("down", retryable=False)
        heard = [stt.SpeechData(language=LanguageCode("en"), text=f"{seconds} s")]
        return stt.SpeechEvent(stt.SpeechEventType.FINAL_TRANSCRIPT, alternatives=heard)


class Hearing:
    """A stream of the recognition under test, with both parts of it."""

    def __init__(self) -> None:
        self.detector, self.recognizer = PlayedDetector(), PlayedRecognizer()
        self.stream = EarlyRecognition(self.recognizer, self.detector).stream()

    def speak(self, windows: int) -> None:
        """Have the caller begin to speak, and go on for some windows."""
        self.detector.send(Kind.START_OF_SPEECH)
        for _ in range(windows):
            self.detector.send(Kind.INFERENCE_DONE)

    def pause(self) -> None:
        """Have the caller pause for as long as it takes to begin early."""
        self.detector.send(Kind.INFERENCE_DONE, silence=0.1)
        self.detector.send(Kind.INFERENCE_DONE, silence=0.2)

    async def until_asked(self, times: int) -> None:
        async with asyncio.timeout(5):
            while len(self.recognizer.asked) < times:  # noqa: ASYNC110 - another task's list
                await asyncio.sleep(0)

    async def transcript(
        self, type_: stt.SpeechEventType = stt.SpeechEventType.FINAL_TRANSCRIPT
    ) -> str:
        """Return the next transcript."""
        async with asyncio.timeout(5):
            async for event in self.stream:
                if event.type == type_:
                    return event.alternatives[0].text
        raise AssertionError("the stream has ended")


@asynccontextmanager
async def hearing() -> AsyncGenerator[Hearing]:
    parts = Hearing()
    yield parts
    parts.detector.events.put_nowait(None)
    parts.stream.end_input()
    await parts.stream.aclose()


async def test_it_begins_at_the_pause_and_its_result_counts_if_the_caller_has_ended() -> None:
    async with hearing() as parts:
        parts.speak(5)
        parts.pause()
        await parts.until_asked(1)
        parts.detector.send(Kind.END_OF_SPEECH, silence=0.35, seconds=9)
        assert await parts.transcript() == "0.7 s"
        assert parts.recognizer.asked == [0.7]


async def test_what_is_heard_early_is_told_before_the_caller_has_ended() -> None:
    async with hearing() as parts:
        parts.speak(5)
        parts.pause()
        assert await parts.transcript(stt.SpeechEventType.INTERIM_TRANSCRIPT) == "0.7 s"
        parts.detector.send(Kind.END_OF_SPEECH, silence=0.35)
        assert await parts.transcript() == "0.7 s"


async def test_a_result_is_dropped_if_the_caller_goes_on() -> None:
    async with hearing() as parts:
        parts.recognizer.answering.clear()
        parts.speak(5)
        parts.pause()
        await parts.until_asked(1)
        parts.detector.send(Kind.INFERENCE_DONE)
        parts.pause()
        await parts.until_asked(2)
        assert parts.recognizer.dropped == 1
        parts.recognizer.answering.set()
        parts.detector.send(Kind.END_OF_SPEECH, silence=0.35, seconds=9)
        assert await parts.transcript() == "1.0 s"


async def test_without_a_pause_the_detectors_own_frames_are_recognized() -> None:
    async with hearing() as parts:
        parts.speak(3)
        parts.detector.send(Kind.END_OF_SPEECH, silence=0.35, seconds=2)
        assert await parts.transcript() == "2.0 s"


async def test_what_is_heard_before_the_voice_is_half_a_second_at_most() -> None:
    async with hearing() as parts:
        for _ in range(50):
            parts.detector.send(Kind.INFERENCE_DONE)
        parts.speak(2)
        parts.pause()
        parts.detector.send(Kind.END_OF_SPEECH, silence=0.35)
        assert await parts.transcript() in {"0.9 s", "1.0 s"}


async def test_a_slow_recognizer_is_asked_once_an_utterance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("orchestrator.agent.early_recognition._FAST", 0.0)
    async with hearing() as parts:
        parts.speak(3)
        parts.pause()
        parts.detector.send(Kind.END_OF_SPEECH, silence=0.35, seconds=2)
        assert await parts.transcript() == "2.0 s"
        assert parts.recognizer.asked == [2.0]


async def test_a_failure_that_nobody_needs_is_nothing() -> None:
    async with hearing() as parts:
        parts.recognizer.failing = True
        parts.speak(3)
        parts.pause()
        await parts.until_asked(1)
        parts.recognizer.failing = False
        parts.detector.send(Kind.INFERENCE_DONE)
        parts.detector.send(Kind.END_OF_SPEECH, silence=0.35, seconds=2)
        assert await parts.transcript() == "2.0 s"
