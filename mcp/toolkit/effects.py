"""What a tool does to the world. Every tool declares one of these, so that a client can judge."""

from mcp_types import ToolAnnotations

READS = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)
WRITES = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False
)
RECORDS = ToolAnnotations(
    # A write that is named by its caller, so that a repeat changes nothing.
    read_only_hint=False,
    destructive_hint=False,
    idempotent_hint=True,
    open_world_hint=False,
)
DESTROYS = ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=False
)


def guarded(effects: ToolAnnotations | None) -> bool:
    """Say whether a repeat of the call would do its work twice."""
    return effects is None or not (effects.read_only_hint or effects.idempotent_hint)
