"""What a caller waited for is told from what was heard, and explained by the agent's figures."""

from typing import Any

import numpy as np
import pytest

from orchestrator.demo.caller import AudioChunk, Caller, TranscriptLine
from orchestrator.demo.latency import latency

SPOKEN, ENDED = 100.0, 120.0
FILLER = "One moment, please."
ANSWER = "It costs twelve euros."
CHUNK = 0.01  # seconds


def heard(*spans: tuple[float, float], fillers: tuple[str, ...] = (FILLER,)) -> Caller:
    """Return a caller who has heard a voice in these spans of time, and silence between them."""
    caller = Caller(fillers=fillers)
    loud = np.tile(np.array([9000, -9000], np.int16), 80)
    for at in np.arange(SPOKEN - 1, ENDED, CHUNK):
        voiced = any(start <= at < end for start, end in spans)
        caller.audio.append(AudioChunk(float(at), loud if voiced else loud * 0))
    return caller


def say(caller: Caller, text: str, began: float, ended: float) -> None:
    caller.transcript.append(TranscriptLine(began, ended, "agent", text, final=True))


def publish(caller: Caller, at: float, **seconds: float) -> None:
    caller.events.append({"type": "latency", "seconds": seconds, "heard_at": at})


def figures(caller: Caller) -> dict[str, Any]:
    return latency(caller, SPOKEN, ENDED) or {}


async def test_the_first_sound_may_be_the_answer() -> None:
    caller = heard((102, 104))
    say(caller, ANSWER, 101.6, 103.5)
    assert figures(caller) == {
        "first_sound": pytest.approx(2, abs=0.02),
        "answer": pytest.approx(2, abs=0.02),
    }


async def test_a_filler_is_no_answer() -> None:
    caller = heard((102, 103.2), (103.3, 104), (108, 109))
    say(caller, FILLER, 101.6, 103.5)
    say(caller, ANSWER, 107.7, 108.6)
    assert figures(caller)["first_sound"] == pytest.approx(2, abs=0.02)
    assert figures(caller)["answer"] == pytest.approx(8, abs=0.02)


async def test_an_answer_right_after_its_filler_begins_after_the_pause() -> None:
    caller = heard((102, 103.2), (103.5, 105))  # its transcript comes while the filler is heard
    say(caller, FILLER, 101.6, 103.0)
    say(caller, ANSWER, 103.0, 104.6)
    assert figures(caller)["answer"] == pytest.approx(3.5, abs=0.02)


async def test_an_answer_without_a_pause_begins_as_late_as_its_transcript() -> None:
    caller = heard((102, 106))
    say(caller, FILLER, 101.6, 103.0)
    say(caller, ANSWER, 103.1, 104.6)
    assert figures(caller)["answer"] == pytest.approx(3.5, abs=0.02)


async def test_a_filler_alone_is_no_answer() -> None:
    caller = heard((102, 104))
    say(caller, FILLER, 101.6, 103.5)
    assert set(figures(caller)) == {"first_sound"}


async def test_nothing_was_heard() -> None:
    assert latency(heard(), SPOKEN, ENDED) is None
    assert latency(heard((ENDED - 0.5, ENDED)), SPOKEN, ENDED - 1) is None


async def test_the_parts_explain_what_was_heard() -> None:
    caller = heard((102, 103), (106, 108))
    say(caller, FILLER, 101.6, 102.9)
    say(caller, ANSWER, 105.6, 107.5)
    publish(caller, SPOKEN - 1, model=9.0, first_sound=9.0, answer=9.0)  # of an earlier turn
    publish(caller, 105.7, model=5.0, ours=0.5, first_sound=1.6, answer=5.5)
    measured = figures(caller)
    assert (measured["model"], measured["ours"]) == (5.0, 0.5)
    assert measured["transport"] == pytest.approx(0.5, abs=0.02)
    assert measured["first_sound"] == pytest.approx(2, abs=0.02)
    assert measured["answer"] == pytest.approx(6, abs=0.02)
