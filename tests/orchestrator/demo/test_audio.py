"""Recordings are read strictly, and cut where they are silent."""

from pathlib import Path

import numpy as np
import pytest

from orchestrator.demo.audio import (
    RecordingError,
    read_wav,
    split_sentences,
    trim_silence,
    wav_bytes,
    write_wav,
)

RATE = 16_000


def tone(seconds: float) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    t = np.arange(int(seconds * RATE)) / RATE
    return (np.sin(t * 2 * np.pi * 220) * 8000).astype(np.int16)


def silence(seconds: float) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    return np.zeros(int(seconds * RATE), np.int16)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", tone(0.5), RATE)
    samples, rate = read_wav(tmp_path / "a.wav")
    assert rate == RATE
    assert np.array_equal(samples, tone(0.5))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "no such file"),
        (b"", "not a WAV"),
        (b"RIFF....", "not a WAV"),
        (b"ID3 this is an mp3", "not a WAV"),
        (wav_bytes(silence(0), RATE), "empty"),
    ],
)
def test_what_cannot_be_played_is_refused(
    tmp_path: Path, content: bytes | None, complaint: str
) -> None:
    path = tmp_path / "a.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RecordingError, match=complaint):
        read_wav(path)


def test_silence_around_speech_is_cut_off() -> None:
    cut = trim_silence(np.concatenate([silence(1), tone(0.5), silence(2)]), RATE)
    assert 0.5 <= len(cut) / RATE < 0.7


def test_sentences_are_cut_at_pauses_only() -> None:
    parts = [tone(0.5), silence(0.3), tone(0.5), silence(1.5), tone(1)]
    pieces = split_sentences(np.concatenate(parts), RATE)
    assert [round(len(piece) / RATE) for piece in pieces] == [2, 1]
    assert split_sentences(silence(3), RATE) == []
