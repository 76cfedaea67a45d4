"""Speech to text that begins at the caller's first pause, for models that hear whole utterances.

LiveKit's own `StreamAdapter` begins once voice activity detection is sure that the speech is over.
Here a short pause is enough: if the caller goes on, the result is dropped, else it is there earlier
by most of the silence that the detector waits for. It is told as an interim transcript meanwhile,
so that the documents are searched for it.
"""

import asyncio
import time
from collections.abc import AsyncIterable
from contextlib import suppress
from typing import Any

from livekit import rtc
from livekit.agents import (
    DEFAULT_API_CONNECT_OPTIONS,
    NOT_GIVEN,
    APIConnectOptions,
    APIError,
    NotGivenOr,
    stt,
    utils,
    vad,
)

_PAUSE = 0.15  # seconds of silence after which recognition begins
# Seconds that the last recognition took. A result that nobody needs is worked out all the same, and
# the next one waits for it: where that takes longer, beginning early costs more than it saves.
_FAST = 0.6
_LEAD = 0.5  # seconds before the detected beginning that are recognized, too
_ONE_ATTEMPT = APIConnectOptions(max_retry=0, timeout=DEFAULT_API_CONNECT_OPTIONS.timeout)


class EarlyRecognition(stt.STT[Any]):
    """Streams from `recognizer`, which hears whole utterances, as `detector` finds them."""

    def __init__(self, recognizer: stt.STT[Any], detector: vad.VAD) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=True, interim_results=True))
        self.recognizer = recognizer
        self.detector = detector
        recognizer.on("metrics_collected", self._measured)

    @property
    def model(self) -> str:
        """Return the recognizer's model."""
        return self.recognizer.model

    @property
    def provider(self) -> str:
        """Return the recognizer's provider."""
        return self.recognizer.provider

    async def _recognize_impl(
        self,
        buffer: utils.AudioBuffer,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> stt.SpeechEvent:
        return await self.recognizer.recognize(buffer, language=language, conn_options=conn_options)

    def stream(
        self,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> stt.RecognizeStream:
        """Return a stream that recognizes what is pushed into it."""
        return _Stream(self, language, conn_options)

    async def aclose(self) -> None:
        """Let go of the recognizer."""
        self.recognizer.off("metrics_collected", self._measured)

    def _measured(self, metrics: Any) -> None:
        self.emit("metrics_collected", metrics)


class _Stream(stt.RecognizeStream):
    def __init__(
        self,
        adapter: EarlyRecognition,
        language: NotGivenOr[str],
        conn_options: APIConnectOptions,
    ) -> None:
        super().__init__(stt=adapter, conn_options=_ONE_ATTEMPT)
        self._recognizer = adapter.recognizer
        self._detector = adapter.detector
        self._language = language
        self._options = conn_options
        self._frames: list[rtc.AudioFrame] = []  # of this utterance, or of the time before it
        self._speaking = False
        self._early: asyncio.Task[stt.SpeechEvent] | None = None  # began at the present pause
        self._seconds = 0.0  # that the last recognition took

    async def _metrics_monitor_task(self, event_aiter: AsyncIterable[stt.SpeechEvent]) -> None:
        """Measure nothing: the recognizer does."""

    async def _run(self) -> None:
        events = self._detector.stream()

        async def forward() -> None:
            async for frame in self._input_ch:
                if isinstance(frame, rtc.AudioFrame):
                    events.push_frame(frame)
                else:
                    events.flush()
            events.end_input()

        forwarding = asyncio.create_task(forward())
        try:
            async for event in events:
                await self._add(event)
            await forwarding
        finally:
            await utils.aio.cancel_and_wait(forwarding)
            await self._drop_early()
            await events.aclose()

    async def _add(self, event: vad.VADEvent) -> None:
        match event.type:
            case vad.VADEventType.START_OF_SPEECH:
                self._speaking = True
                self._event_ch.send_nowait(stt.SpeechEvent(stt.SpeechEventType.START_OF_SPEECH))
            case vad.VADEventType.INFERENCE_DONE:
                self._frames += event.frames
                if not self._speaking:
                    self._forget_silence()
                elif event.raw_accumulated_silence >= _PAUSE and self._seconds < _FAST:
                    self._begin_early()
                elif event.raw_accumulated_silence == 0:
                    await self._drop_early()
            case vad.VADEventType.END_OF_SPEECH:
                self._speaking = False
                ended_at = time.time() - event.silence_duration - event.inference_duration
                self._event_ch.send_nowait(
                    stt.SpeechEvent(stt.SpeechEventType.END_OF_SPEECH, speech_end_time=ended_at)
                )
                await self._send_transcript(event.frames, ended_at)

    async def _send_transcript(self, frames: list[rtc.AudioFrame], ended_at: float) -> None:
        early, self._early = self._early, None
        self._frames = []
        heard = await (early or self._recognize(frames))
        if heard.alternatives and heard.alternatives[0].text:
            self._event_ch.send_nowait(
                stt.SpeechEvent(
                    stt.SpeechEventType.FINAL_TRANSCRIPT,
                    alternatives=[heard.alternatives[0]],
                    speech_end_time=ended_at,
                )
            )

    def _begin_early(self) -> None:
        if self._early is None:
            self._early = asyncio.create_task(self._recognize(self._frames))
            self._early.add_done_callback(self._send_interim)

    def _send_interim(self, early: asyncio.Task[stt.SpeechEvent]) -> None:
        """Tell what has been heard so far, if it still counts."""
        if early is not self._early or early.cancelled() or early.exception() is not None:
            return
        if (heard := early.result().alternatives) and heard[0].text:
            self._event_ch.send_nowait(
                stt.SpeechEvent(stt.SpeechEventType.INTERIM_TRANSCRIPT, alternatives=[heard[0]])
            )

    async def _recognize(self, frames: list[rtc.AudioFrame]) -> stt.SpeechEvent:
        began = time.perf_counter()
        heard = await self._recognizer.recognize(
            utils.merge_frames(frames), language=self._language, conn_options=self._options
        )
        self._seconds = time.perf_counter() - began
        return heard

    def _forget_silence(self) -> None:
        """Keep no more than the lead of an utterance that may begin."""
        kept = 0.0
        for number, frame in enumerate(reversed(self._frames)):
            kept += frame.duration
            if kept > _LEAD:
                self._frames = self._frames[-(number + 1) :]
                return

    async def _drop_early(self) -> None:
        early, self._early = self._early, None
        if early is None:
            return
        early.cancel()
        # What went wrong with a result that nobody needs is of no interest.
        with suppress(asyncio.CancelledError, APIError):
            await early
