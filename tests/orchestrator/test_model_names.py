"""A language model or a voice that no provider has is refused before anything is stored."""

from pathlib import Path

import pytest

from config.declarations.schema import DeclarationError, read_declaration
from config.declarations.section import sections
from orchestrator.admin.model_names import check_models

SHOP = """\
business: {slug: shop, name: Corner Books}
bots:
  - name: reception
    system_prompt: You answer the phone.
    first_message_inbound: Hello.
    llm: [LLM]
    tts: TTS
    voice: {voice_id: VOICE}
"""


@pytest.mark.parametrize(
    ("llm", "tts", "voice", "said"),
    [
        ("auto, embedded", "embedded", "joe-low", None),
        ("auto", "elevenlabs", "any-of-theirs", None),
        ("openai/gpt-4.1-mini, groq/one-of-tomorrow", "auto", "any", None),
        ("auto", "embedded", "joe-hihg", ":8: bots.0.voice.voice_id: 'joe-hihg' is not a voice"),
        ("auto, opnai/gpt-4.1", "auto", "any", ":6: bots.0.llm.1: 'opnai/gpt-4.1' is of no known"),
    ],
)
async def test_only_names_of_a_provider_are_taken(
    tmp_path: Path, llm: str, tts: str, voice: str, said: str | None
) -> None:
    path = tmp_path / "bots.yaml"
    path.write_text(SHOP.replace("LLM", llm).replace("TTS", tts).replace("VOICE", voice))
    declaration = read_declaration(path, sections())
    if said is None:
        await check_models(declaration)
        return
    with pytest.raises(DeclarationError) as refused:
        await check_models(declaration)
    assert said in str(refused.value)
    assert "did you mean" in str(refused.value)
