"""What the room of a conversation, and the caller in it, are called at LiveKit."""

from uuid import UUID


def room_name(conversation_id: UUID) -> str:
    """Return the name of a conversation's room."""
    return f"call-{conversation_id}"


def caller_identity(conversation_id: UUID) -> str:
    """Return the identity of a conversation's caller in its room."""
    return f"caller-{conversation_id}"
