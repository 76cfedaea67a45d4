"""Sound to speak into an ear, and sound that a voice answers with."""

import io

import av
import numpy as np
from numpy.typing import NDArray

PER_CHARACTER = 0.04  # seconds of speech


def tone(seconds: float, sample_rate: int) -> NDArray[np.int16]:
    """Return a tone as loud as speech."""
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    return (8000 * np.sin(2 * np.pi * 220 * time)).astype(np.int16)


def spoken(text: str, sample_rate: int) -> NDArray[np.int16]:
    """Return a sound as long as it takes to say `text`."""
    return tone(len(text.strip()) * PER_CHARACTER, sample_rate)


def mp3(sound: NDArray[np.int16], sample_rate: int) -> bytes:
    """Return the sound as the voices' providers send it unless they are asked for more."""
    buffer = io.BytesIO()
    options = {"id3v2_version": "0", "write_xing": "0"}
    with av.open(buffer, "w", format="mp3", options=options) as container:
        stream = container.add_stream("libmp3lame", rate=sample_rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(sound.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = sample_rate
        converter = av.AudioResampler(format=stream.format, layout="mono", rate=sample_rate)
        for part in converter.resample(frame):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return buffer.getvalue()
