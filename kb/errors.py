"""What can go wrong with knowledge; every message may be shown to the operator."""


class KnowledgeError(Exception):
    """Base of everything below."""


class UnreadableDocumentError(KnowledgeError):
    """A document is not text that can be searched."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")


class EmbeddingError(KnowledgeError):
    """An embedding model is missing, refuses or does not answer."""
