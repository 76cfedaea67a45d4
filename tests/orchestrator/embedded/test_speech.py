"""Piper speaks and Whisper transcribes, over HTTP."""

import asyncio
import io
import re
import wave

import httpx2
import numpy as np
import pytest

from orchestrator.embedded.app import create_app
from orchestrator.embedded.loader import LoadOptions, ModelLoader

SENTENCES = [
    "The museum is open every day except Monday.",
    "We can change the lock of your front door tomorrow morning.",
    "Please bring the old key, so that we can make a copy.",
]
VOICES = ["joe", "joe-low", "joe-high"]


async def synthesize(
    client: httpx2.AsyncClient, text: str, voice: str = "joe", **more: object
) -> bytes:
    body = {"model": "local-piper", "input": text, "voice": voice, "response_format": "wav", **more}
    response = await client.post("/v1/audio/speech", json=body)
    assert response.status_code == 200, response.text
    return response.content


async def transcribe(client: httpx2.AsyncClient, audio: bytes, **form: str) -> httpx2.Response:
    files = {"file": ("speech.wav", audio, "audio/wav")}
    form = {"model": "local-whisper", **form}
    return await client.post("/v1/audio/transcriptions", files=files, data=form)


def samples(audio: bytes) -> np.ndarray:
    with wave.open(io.BytesIO(audio)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 24_000)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32)


def pitch(audio: bytes) -> float:
    """Return the median fundamental frequency in hertz, by autocorrelation."""
    voice, frequencies = samples(audio), list[float]()
    for start in range(0, len(voice) - 1440, 720):
        frame = voice[start : start + 1440]
        if np.abs(frame).mean() < 1000:
            continue
        frame = frame - frame.mean()
        likeness = np.correlate(frame, frame, "full")[1439:]
        lag = 80 + int(likeness[80:400].argmax())
        if likeness[lag] > 0.5 * likeness[0]:
            frequencies.append(24_000 / lag)
    return float(np.median(frequencies))


def words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9']+", text.lower())


def word_errors(said: str, heard: str) -> int:
    """Return the edit distance in words."""
    expected, actual = words(said), words(heard)
    row = list(range(len(actual) + 1))
    for i, word in enumerate(expected, 1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(actual, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (word != other))
    return row[-1]


@pytest.mark.parametrize("voice", VOICES)
async def test_what_is_said_is_heard(speech: httpx2.AsyncClient, voice: str) -> None:
    errors = 0
    for sentence in SENTENCES:
        heard = await transcribe(speech, await synthesize(speech, sentence, voice))
        errors += word_errors(sentence, heard.json()["text"])
    # The voice draws its noise anew each time, and a shifted pitch is harder to follow.
    most = 0.1 if voice == "joe" else 0.25
    assert errors / sum(len(words(sentence)) for sentence in SENTENCES) < most


async def test_the_voices_differ_as_people_do(speech: httpx2.AsyncClient) -> None:
    usual, low, high = [pitch(await synthesize(speech, SENTENCES[0], voice)) for voice in VOICES]
    assert low < 0.93 * usual
    assert high > 1.07 * usual


async def test_a_phone_number_and_a_time_survive(speech: httpx2.AsyncClient) -> None:
    heard = await transcribe(
        speech, await synthesize(speech, "Call 555-0142 at 7:30."), response_format="text"
    )
    assert "5550142" in re.sub(r"\D", "", heard.text)
    assert re.search(r"7[:. ]?30", heard.text)


async def test_pcm_is_the_same_speech_without_a_header(speech: httpx2.AsyncClient) -> None:
    body = {"input": SENTENCES[0], "voice": "joe", "response_format": "pcm"}
    response = await speech.post("/v1/audio/speech", json=body)
    assert response.headers["content-type"] == "audio/pcm"
    seconds = len(response.content) / 48_000
    assert 1.5 < seconds < 5
    # The voice's noise makes two takes differ a little.
    assert seconds == pytest.approx(
        len(samples(await synthesize(speech, SENTENCES[0]))) / 24_000, rel=0.2
    )


async def test_pcm_is_sent_before_the_last_clause_is_made(speech: httpx2.AsyncClient) -> None:
    body = {"input": " ".join(SENTENCES), "response_format": "pcm"}
    async with speech.stream("POST", "/v1/audio/speech", json=body) as response:
        arrived = [
            (asyncio.get_running_loop().time(), len(part)) async for part in response.aiter_raw()
        ]
    begun, ended = arrived[0][0], arrived[-1][0]
    assert ended - begun > 0.1  # a clause takes longer; what is sent whole arrives at once


async def test_speed_is_obeyed(speech: httpx2.AsyncClient) -> None:
    usual, fast = [len(await synthesize(speech, SENTENCES[1], speed=speed)) for speed in (1.0, 1.6)]
    assert fast < 0.8 * usual


async def test_silence_is_no_words(speech: httpx2.AsyncClient) -> None:
    silent = io.BytesIO()
    with wave.open(silent, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(32_000))
    heard = await transcribe(speech, silent.getvalue(), response_format="verbose_json")
    assert heard.json()["text"] == ""
    assert heard.json()["duration"] == pytest.approx(1)


async def test_several_callers_at_once_are_all_heard(speech: httpx2.AsyncClient) -> None:
    audio = await asyncio.gather(*(synthesize(speech, sentence) for sentence in SENTENCES))
    heard = await asyncio.gather(*(transcribe(speech, each) for each in audio))
    for sentence, each in zip(SENTENCES, heard, strict=True):
        assert word_errors(sentence, each.json()["text"]) <= 2


@pytest.mark.parametrize(
    ("path", "body", "names"),
    [
        ("/v1/audio/speech", {"input": "Hi", "voice": "nova"}, "voice"),
        ("/v1/audio/speech", {"input": "Hi", "response_format": "mp3"}, "response_format"),
        ("/v1/audio/speech", {"voice": "joe"}, "input"),
    ],
)
async def test_a_malformed_request_is_refused(
    speech: httpx2.AsyncClient, path: str, body: dict[str, str], names: str
) -> None:
    response = await speech.post(path, json=body)
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"
    assert response.json()["error"]["message"].startswith(names)


async def test_what_is_no_audio_or_no_english_is_refused(speech: httpx2.AsyncClient) -> None:
    nonsense = await transcribe(speech, b"no audio at all")
    assert nonsense.status_code == 400
    french = await transcribe(speech, await synthesize(speech, "Hello."), language="fr")
    assert french.status_code == 400
    assert "English" in french.json()["error"]["message"]


async def test_a_part_that_is_off_says_so(speech: httpx2.AsyncClient) -> None:
    body = {"messages": [{"role": "user", "content": "Hi"}]}
    response = await speech.post("/v1/chat/completions", json=body)
    assert response.status_code == 503
    assert "switched off" in response.json()["error"]["message"]
    listed = (await speech.get("/v1/models")).json()["data"]
    assert [model["id"] for model in listed] == ["local-whisper", "local-piper"]


async def test_another_host_name_is_not_served(speech: httpx2.AsyncClient) -> None:
    response = await speech.get("/health", headers={"host": "evil.example"})
    assert response.status_code == 400


async def test_health_tells_of_loading_and_of_failure() -> None:
    loader = ModelLoader(LoadOptions(hearing=False, llm=False))
    transport = httpx2.ASGITransport(create_app(loader))
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        loading = await client.get("/health")
        assert (loading.status_code, loading.json()["status"]) == (503, "loading")
        loader.error = "No room."
        loader.finished.set()
        failed = await client.get("/health", params={"wait": 60})
        assert (failed.status_code, failed.json()["error"]) == (503, "No room.")
