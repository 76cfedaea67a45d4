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
CHANGES = ToolAnnotations(
    # A write that puts what it is given in the place of what is there.
    read_only_hint=False,
    destructive_hint=True,
    idempotent_hint=True,
    open_world_hint=False,
)
DESTROYS = ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=False
)


def guarded(effects: ToolAnnotations | None) -> bool:
    """Say whether a call must not be sent again just like that."""
    if effects is None:
        return True
    return not (
        effects.read_only_hint or (effects.idempotent_hint and not effects.destructive_hint)
    )


def changes(effects: ToolAnnotations | None) -> bool:
    """Say whether a call replaces something, so that an earlier one no longer holds."""
    return effects is not None and bool(effects.destructive_hint and effects.idempotent_hint)


def destroys(effects: ToolAnnotations | None) -> bool:
    """Say whether a call takes something away, so that it may be made anew."""
    return effects is not None and bool(effects.destructive_hint and not effects.idempotent_hint)
