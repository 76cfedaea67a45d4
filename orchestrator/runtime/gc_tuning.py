"""What a process keeps for as long as it lives."""

import gc

_ALLOCATIONS = 10_000  # between two looks at what is young; 700 by default


def keep_for_good() -> None:
    """Take what is there now from the garbage collector, which would look at it again and again.

    The objects of imported modules stay as long as the process does.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS)
