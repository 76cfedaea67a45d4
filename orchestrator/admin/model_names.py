"""Finds names of language models and voices in a bot's declaration that no provider has."""

import asyncio
import difflib
from collections.abc import Mapping
from typing import Any

from config.declarations.schema import BotDeclaration, Declaration
from config.references import UnknownName
from config.settings import prepare_litellm
from config.text import suggest
from orchestrator.agent.model_choice import AUTO, EMBEDDED
from orchestrator.embedded.piper import VOICES


async def check_models(declaration: Declaration) -> None:
    """Refuse names that no provider has.

    A provider's own models and voices are not known here, except those of this machine.

    Raises:
        DeclarationError: a bot names such a model or voice.
    """
    for index, bot in enumerate(declaration.bots):
        unknown = _unknown_voice(bot) or await _unknown_llm(bot)
        if unknown is not None:
            raise declaration.error(("bots", index, *unknown.at), unknown.message)


def _unknown_voice(bot: BotDeclaration) -> UnknownName | None:
    voice = bot.voice.voice_id
    if bot.tts != EMBEDDED or voice is None or voice in VOICES:
        return None
    message = f"{voice!r} is not a voice of the embedded model; {suggest(voice, VOICES)}"
    return UnknownName(("voice", "voice_id"), message)


async def _unknown_llm(bot: BotDeclaration) -> UnknownName | None:
    named = {index: name for index, name in enumerate(bot.llm) if name not in (AUTO, EMBEDDED)}
    # litellm takes seconds to import, so that it is asked only where one of its names is used.
    return await asyncio.to_thread(_find_unknown_llm, named) if named else None


def _find_unknown_llm(named: Mapping[int, str]) -> UnknownName | None:
    prepare_litellm()  # before the import, which reads the environment
    import litellm
    from litellm.exceptions import BadRequestError

    litellm.suppress_debug_info = True
    for index, name in named.items():
        try:
            litellm.get_llm_provider(model=name)
        except BadRequestError:
            near = difflib.get_close_matches(name.partition("/")[0], _provider_names(litellm))
            hint = f"did you mean {' or '.join(near)}?" if near else "write provider/model"
            return UnknownName(("llm", index), f"{name!r} is of no known provider; {hint}")
    return None


def _provider_names(litellm: Any) -> list[str]:
    return [str(each.value) for each in litellm.provider_list]
