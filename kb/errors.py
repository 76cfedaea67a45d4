"""Errors of knowledge bases, whose messages may be shown to the operator."""


class KnowledgeError(Exception):
    """Base of the errors below."""


class UnreadableDocumentError(KnowledgeError):
    """A document has no text that can be searched."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")


class EmbeddingError(KnowledgeError):
    """An embedding model is missing, refuses the request, or does not respond."""
