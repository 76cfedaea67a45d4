"""Names of the agent's own tools, which no server's tool may have."""

CONFIRM = "confirm"
END_CONVERSATION = "end_conversation"
RESERVED_NAMES = frozenset({CONFIRM, END_CONVERSATION})
