"""Tunes the garbage collector of long-running processes."""

import gc

_THRESHOLD = 10_000  # allocations between two young collections; 700 by default


def freeze_heap() -> None:
    """Exclude all current objects from garbage collection.

    The objects of imported modules live as long as the process; scanning them takes time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_THRESHOLD)
