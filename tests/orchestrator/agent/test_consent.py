"""Which answers agree, which refuse, and which do neither, in fifteen languages."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from config.language.catalogue import LANGUAGE
from orchestrator.agent.consent import is_agreement, is_refusal

FOLDER = Path(__file__).parents[3] / "orchestrator" / "agent" / "consent"


@pytest.fixture
def language(request: pytest.FixtureRequest) -> Iterator[None]:
    """The language of the call."""
    token = LANGUAGE.set(request.param)
    yield
    LANGUAGE.reset(token)


@pytest.mark.parametrize(
    "words",
    [
        "No.",
        "no thanks",
        "Nope, that's not it.",
        "Nah, leave it.",
        "I don't think so.",
        "I don\u2019t want that.",
        "That isn't right.",
        "I can't come then.",
        "Wait a moment.",
        "Hold on, please.",
        "Stop!",
        "That is wrong.",
        "I would rather come on Friday.",
        "Make it three seats instead.",
        "Yes. No, wait.",
        "Yeah, no.",
        "Please never do that.",
        "Cancel that.",
        "Forget it.",
        "Let me think about it.",
        "I'll think it over.",
        "Maybe later.",
        "Okay, but make it four.",
        "I'll pass.",
        "Never mind.",
        "Yes, actually, make it five.",
    ],
)
def test_a_refusal_is_heard_as_one(words: str) -> None:
    assert is_refusal(words)
    assert not is_agreement(words)


@pytest.mark.parametrize(
    "words",
    [
        "Yes.",
        "yes",
        "Yes please, go ahead.",
        "No problem, do it.",
        "Why not?  Yes.",
        "why not",
        "Sure, no worries.",
        "That is not a problem.",
        "I have no objection.",
        "I know, yes.",
        "Another note: yes.",
        "Okay.",
        "Please do.",
        "That's right.",
        "Perfect, thank you.",
        "Sounds good to me, and thank you so much for all of your help today",
        "yeah that works for me",
        "Yes, cancel it.",
        "Can't wait! Yes, do it.",
    ],
)
def test_a_yes_is_heard_as_one(words: str) -> None:
    assert is_agreement(words)
    assert not is_refusal(words)


@pytest.mark.parametrize(
    "words",
    [
        "",
        "...",
        "Hm.",
        "What does it cost?",
        "Is that right?",
        "Is it okay for children?",
        "Yes?",
        "Ten o'clock",
        "My name is Good and I live in a great big fine house in the country",
        "And for two people",
        "Hello?",
        "Nein danke",
        "Nej tak",
    ],
)
def test_everything_else_is_no_yes(words: str) -> None:
    assert not is_agreement(words)


@pytest.mark.parametrize(
    ("language", "yes", "no"),
    [
        ("de", "Ja, bitte.", "Nein, lieber nicht."),
        ("de-AT", "Passt!", "Ich überlege es mir."),
        ("es", "Sí, claro.", "Mejor no."),
        ("fr", "D\u2019accord, allez-y.", "Je vais réfléchir."),
        ("pt", "Sim, pode marcar.", "Agora não."),
        ("it", "Va bene.", "Meglio di no."),
        ("nl", "Doe maar.", "Laat maar."),
        ("hi", "हाँ, कर दीजिए।", "नहीं, रहने दो।"),
        ("hi", "haan ji, kar do", "baad mein"),
        ("ta", "ஆமாம், சரி.", "வேண்டாம்."),
        ("te", "అవును, చేయండి.", "వద్దు."),
        ("mr", "होय, चालेल.", "नको, नंतर."),
        ("bn", "হ্যাঁ, ঠিক আছে।", "না, পরে।"),
        ("kn", "ಹೌದು, ಮಾಡಿ.", "ಬೇಡ."),
        ("gu", "હા, ચાલશે.", "ના, રહેવા દો."),
        ("ar", "نعم، تفضل.", "لا، بعدين."),
    ],
    indirect=["language"],
)
@pytest.mark.usefixtures("language")
def test_the_language_is_the_call_s(yes: str, no: str) -> None:
    assert is_agreement(yes)
    assert not is_refusal(yes)
    assert is_refusal(no)
    assert not is_agreement(no)
    assert not is_agreement(f"{yes} {no}")
    assert is_agreement("Yes, please.")
    assert is_refusal("No.")


@pytest.mark.parametrize("language", ["hi", "te", "it", "es", "ar"], indirect=True)
@pytest.mark.usefixtures("language")
def test_a_no_within_a_yes_is_none() -> None:
    said = {"hi": "क्यों नहीं", "te": "పర్వాలేదు", "it": "come no", "es": "cómo no", "ar": "لا مانع"}
    assert is_agreement(said[LANGUAGE.get()])


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_what_agrees_in_a_language_does_not_refuse_there(path: Path) -> None:
    token = LANGUAGE.set(path.stem)
    phrases: dict[str, list[str]] = yaml_words(path)
    assert set(phrases) == {"agree", "short", "refuse", "no_refusal"}
    assert [each for each in phrases["agree"] + phrases["short"] if not is_agreement(each)] == []
    assert [each for each in phrases["refuse"] if not is_refusal(each)] == []
    LANGUAGE.reset(token)


def yaml_words(path: Path) -> dict[str, list[str]]:
    """Return the lists of a language."""
    read: dict[str, list[str]] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return read
