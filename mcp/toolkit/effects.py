"""MCP annotations for what a tool does. Every tool declares one of these."""

from mcp_types import ToolAnnotations

READS = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)
WRITES = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False
)
RECORDS = ToolAnnotations(
    # A write with a key of its caller's, so that a repeat changes nothing.
    read_only_hint=False,
    destructive_hint=False,
    idempotent_hint=True,
    open_world_hint=False,
)
CHANGES = ToolAnnotations(
    # A write that replaces what is stored.
    read_only_hint=False,
    destructive_hint=True,
    idempotent_hint=True,
    open_world_hint=False,
)
DESTROYS = ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=False
)


def is_unsafe_to_repeat(effects: ToolAnnotations | None) -> bool:
    """Say whether sending a call twice may do its work twice, or undo a later change."""
    if effects is None:
        return True
    return not (
        effects.read_only_hint or (effects.idempotent_hint and not effects.destructive_hint)
    )


def is_record(effects: ToolAnnotations | None) -> bool:
    """Say whether a call is a write that may be repeated, as RECORDS is."""
    return effects is not None and not effects.read_only_hint and not is_unsafe_to_repeat(effects)


def is_replacement(effects: ToolAnnotations | None) -> bool:
    """Say whether a call replaces something, as CHANGES does."""
    return effects is not None and bool(effects.destructive_hint and effects.idempotent_hint)


def is_removal(effects: ToolAnnotations | None) -> bool:
    """Say whether a call takes something away, as DESTROYS does."""
    return effects is not None and bool(effects.destructive_hint and not effects.idempotent_hint)
