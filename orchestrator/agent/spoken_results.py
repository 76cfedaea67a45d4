"""Sentences of tool results that are spoken as they are, without another completion."""

from livekit.agents.llm import ChatContext

from orchestrator.sentences import join


class SpokenResults:
    """The sentence of each tool call whose result is spoken as it is."""

    def __init__(self) -> None:
        self._sentences: dict[str, str] = {}  # by the id of the tool call

    def add(self, call_id: str, sentence: str) -> None:
        """Have the result of a tool call spoken with this sentence."""
        self._sentences[call_id] = sentence

    def find(self, chat_ctx: ChatContext) -> str | None:
        """Return the sentences of the latest tool results, or None if the model must word them.

        One result that has no sentence leaves all of them to the model.
        """
        sentences: list[str] = []
        for item in reversed(chat_ctx.items):
            if item.type != "function_call_output":
                break
            sentence = self._sentences.get(item.call_id)
            if sentence is None:
                return None
            sentences.append(sentence)
        # Several writes of one answer may have been stopped by the same question.
        return join("next_sentence", [*dict.fromkeys(sentences[::-1])]) or None
